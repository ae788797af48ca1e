"""CLEVR-like scenes: the world, its pictures, its labels, and what a picture shows."""

from lib.scenes.render import Labels, labels, render, render_frame
from lib.scenes.scene import (
    COLORS,
    MATERIALS,
    SHAPES,
    SIZES,
    Camera,
    Scenes,
    locations,
    project,
    sample_scenes,
)

__all__ = [
    "COLORS",
    "MATERIALS",
    "SHAPES",
    "SIZES",
    "Camera",
    "Labels",
    "Scenes",
    "labels",
    "locations",
    "project",
    "render",
    "render_frame",
    "sample_scenes",
]
