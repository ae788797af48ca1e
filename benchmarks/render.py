"""Pictures a second of `lib.scenes.render`, by size and number of objects, beside Mitsuba.

    python benchmarks/render.py [--threads 2]

Mitsuba (`pip install mitsuba`) is a physically based renderer that draws the same scenes: same
shapes, colours, camera, lamps and sun, 16 paths a pixel of at most 3 bounces, in its scalar
variant, which needs nothing else. Building its scene counts, as it does for whoever draws a new
scene each time. Without it the comparison is skipped, and the last lines are ours alone.
"""

import argparse
import math
import time

import torch

from lib.scenes import COLORS, SHAPES, render, sample_scenes
from lib.scenes.render import GROUND, LAMP_POWER, LAMP_RADIUS, SKY, SUN, SUN_POWER

SIZES = (32, 64, 128)
OBJECTS = (1, 3, 6, 10)
SECONDS = 2.0


def rate(draw, scenes, seconds=SECONDS):
    """Pictures a second of draw(scenes), after one unmeasured call; the median of three spans."""
    draw(scenes)
    rates = []
    for _ in range(3):
        start, pictures = time.perf_counter(), 0
        while time.perf_counter() - start < seconds / 3:
            draw(scenes)
            pictures += len(scenes)
        rates.append(pictures / (time.perf_counter() - start))
    return sorted(rates)[1]


def mitsuba_scene(mi, scenes, index, size):
    """One of our scenes as Mitsuba's dictionary."""
    to = mi.ScalarTransform4f
    side = scenes.camera.square[-1]
    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 3},
        "sensor": {
            "type": "perspective",
            "fov": math.degrees(2 * math.atan(side / 2 / scenes.camera.focal)),
            "to_world": to().look_at(scenes.camera.eye[index].tolist(), [0, 0, 0], [0, 0, 1]),
            "film": {"type": "hdrfilm", "width": size, "height": size, "rfilter": {"type": "box"}},
            "sampler": {"type": "independent", "sample_count": 16},
        },
        "ground": {
            "type": "rectangle",
            "to_world": to().scale(100),
            "bsdf": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [GROUND] * 3}},
        },
        "sky": {"type": "constant", "radiance": SKY},
        "sun": {"type": "directional", "direction": [-x for x in SUN], "irradiance": SUN_POWER},
    }
    for i, power in enumerate(LAMP_POWER):
        radiance = power / (math.pi * LAMP_RADIUS**2)
        scene[f"lamp{i}"] = {
            "type": "sphere",
            "center": scenes.lamps[index, i].tolist(),
            "radius": LAMP_RADIUS,
            "emitter": {"type": "area", "radiance": radiance},
        }
    for k in scenes.mask[index].nonzero()[:, 0].tolist():
        scene |= mitsuba_object(mi, scenes, index, k)
    return scene


def mitsuba_object(mi, scenes, index, k):
    """One object as entries of Mitsuba's dictionary: a cylinder has two lids."""
    to = mi.ScalarTransform4f
    color = [c / 255 for c in list(COLORS.values())[scenes.color[index, k]]]
    metal = {"type": "roughconductor", "alpha": 0.1}
    rubber = {"type": "roughplastic", "alpha": 0.3}
    name = "specular_reflectance" if scenes.material[index, k] else "diffuse_reflectance"
    bsdf = (metal if scenes.material[index, k] else rubber) | {
        name: {"type": "rgb", "value": color}
    }
    place = to().translate(scenes.coords[index, k].tolist())
    place = place @ to().scale(float(scenes.coords[index, k, 2]))
    place = place @ to().rotate([0, 0, 1], math.degrees(scenes.rotation[index, k]))
    shape = SHAPES[scenes.shape[index, k]]
    if shape != "cylinder":
        return {f"object{k}": {"type": shape, "to_world": place, "bsdf": bsdf}}
    side = {"type": "cylinder", "p0": [0, 0, -1], "p1": [0, 0, 1], "to_world": place, "bsdf": bsdf}
    lid = {"type": "disk", "to_world": place @ to().translate([0, 0, 1]), "bsdf": bsdf}
    return {f"object{k}": side, f"lid{k}": lid}


def mitsuba_rate(mi, size, scenes):
    def draw(scenes):
        for i in range(len(scenes)):
            mi.render(mi.load_dict(mitsuba_scene(mi, scenes, i, size)))

    return rate(draw, scenes)


def table(title, cells):
    """Prints rows of sizes and columns of numbers of objects."""
    print(f"{title}, by size and number of objects")
    print("size " + "".join(f"{k:>9}" for k in OBJECTS))
    for size in SIZES:
        print(f"{size:>4} " + "".join(f"{cells[size, k]:>9.1f}" for k in OBJECTS), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    generator = torch.Generator().manual_seed(0)
    batches = {k: sample_scenes(128, k, k, generator) for k in OBJECTS}
    grid = [(size, k) for size in SIZES for k in OBJECTS]
    ours = {(s, k): rate(lambda b, s=s: render(b, s), batches[k][: 4096 // s]) for s, k in grid}
    table("lib.scenes.render, pictures a second", ours)
    fresh = rate(lambda b: render(sample_scenes(len(b), 1, 3, generator), 32), batches[3])
    print(f"scenes of 1 to 3 objects drawn at random and rendered at 32: {fresh:.0f} a second")
    for size in SIZES:
        print(f"ten objects cost {ours[size, 1] / ours[size, 10]:.1f} times one, at {size}")
    try:
        import mitsuba as mi
    except ImportError:
        print("mitsuba is not installed: no comparison")
        return
    mi.set_variant("scalar_rgb")
    theirs = {(s, k): mitsuba_rate(mi, s, batches[k][:2]) for s, k in grid}
    table("Mitsuba, pictures a second", theirs)
    for size in SIZES:
        print(f"ratio: render_{size}_mitsuba {ours[size, 3] / theirs[size, 3]:.2f}")


if __name__ == "__main__":
    main()
