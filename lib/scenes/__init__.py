"""CLEVR-like scenes: the world, its pictures, what a network is told, and what a picture shows."""

from lib.scenes.render import Annotations, annotate, render, render_frame
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
    "Annotations",
    "Camera",
    "Scenes",
    "annotate",
    "locations",
    "project",
    "render",
    "render_frame",
    "sample_scenes",
]
