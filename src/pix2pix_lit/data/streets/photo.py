"""Effects on the entire photo: sky, ground texture, shadows, and the flaws of the camera."""

import cv2
import numpy as np

from pix2pix_lit.data.streets.canvas import Canvas, mix
from pix2pix_lit.data.streets.texture import TILE, fractal_tile, grain_tile, window

NO_SHADOWS_BELOW = 0.12  # strength of direct light under which shadows are too faint to be worth casting


def paint_sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Fill the photo with a gradient and clouds down to a little below the horizon, and with haze from there."""
    camera, light = canvas.camera, canvas.light
    height, width = camera.height, camera.width
    rows = min(height, max(2, int(camera.horizon) + 2))
    # Half the resolution will do for something this soft.
    small_rows, small_width = max(2, rows // 2), max(2, width // 2)
    upwards = np.linspace(1, 0, small_rows, dtype=np.float32)[:, None]
    # Clouds are flat, so they look wider than high.
    across_scale, up_scale = 300 / camera.focal, 600 / camera.focal
    clouds = window(fractal_tile(2, 0.55), (small_rows, small_width), rng.uniform(0, TILE, 2), (up_scale, across_scale))
    cover = np.clip((clouds - (1.3 - 2.6 * light.clouds)) * 0.9 + 0.15, 0, 1) * np.minimum(1, 0.35 + upwards)
    white_shade = np.clip(1.02 - 0.1 * light.clouds * np.maximum(clouds, 0), 0.6, 1.05)
    height_share = 1 - (1 - upwards) ** 1.5
    glow = np.zeros_like(cover)
    if light.to_sun[2] > 0.15:  # the sun is ahead
        across = (np.linspace(0, width, small_width, dtype=np.float32) - camera.centre) / camera.focal
        up = (camera.horizon - np.linspace(0, rows, small_rows, dtype=np.float32)) / camera.focal
        from_sun = (across - light.to_sun[0] / light.to_sun[2]) ** 2 + (up - light.to_sun[1] / light.to_sun[2])[
            :, None
        ] ** 2
        glow = np.minimum(1, light.sun * np.exp(-4 * np.sqrt(from_sun)))
    white = mix((250, 250, 250), light.haze, 0.35)
    sky = np.empty((small_rows, small_width, 3), np.uint8)
    for channel in range(3):
        blue = light.haze[channel] + (light.zenith[channel] - light.haze[channel]) * height_share
        plane = blue + (white[channel] * white_shade - blue) * cover
        plane += ((255, 250, 235)[channel] - plane) * glow
        sky[..., channel] = np.clip(plane, 0, 255)
    canvas.photo[:rows, :, :3] = cv2.resize(sky, (width, rows), interpolation=cv2.INTER_LINEAR)
    canvas.photo[rows:, :, :3] = np.array(np.clip(light.haze, 0, 255), np.uint8)


def _on_ground(
    tile: np.ndarray, s: np.ndarray, z: np.ndarray, per_metre: tuple[float, float], offset: np.ndarray
) -> np.ndarray:
    """A tile laid on the ground, seen at the places ``s`` (h, w), ``z`` (h,): (h, w) float32."""
    columns = s * np.float32(per_metre[0]) + np.float32(offset[0])
    rows = np.empty_like(columns)
    rows[:] = (z * np.float32(per_metre[1]) + np.float32(offset[1]))[:, None]
    # Whole tile pixels do: the grain is noise, and what is close enough to show them is blurred by the camera.
    return tile[rows.astype(np.int32) & (TILE - 1), columns.astype(np.int32) & (TILE - 1)]


def shade_ground(canvas: Canvas, rng: np.random.Generator) -> None:
    """Add grain in perspective, shadows and haze to the ground, before anything is put on it."""
    camera, light = canvas.camera, canvas.light
    first = min(max(int(camera.horizon) + 1, 0), camera.height - 1)
    rows = np.arange(first, camera.height, dtype=np.float32) + 0.5 - camera.horizon
    z = camera.focal * camera.view.height_m / np.maximum(rows, 0.25)
    columns = (np.arange(camera.width, dtype=np.float32) + 0.5 - camera.centre) / camera.focal
    z = np.minimum(z, 250)
    s = z[:, None] * columns[None, :] - (camera.view.bend * z * z)[:, None]
    offset = rng.uniform(0, TILE, 2)
    # Stretched along the street, as tyres wear it: 90 tile pixels a metre across, 40 along.
    fine = _on_ground(fractal_tile(6, 0.95), s, z, (90, 40), offset)
    broad = _on_ground(fractal_tile(2, 0.7), s, z, (22, 18), offset[::-1])
    fade = np.exp(-z / 14)[:, None]
    region = canvas.photo[first:]
    rough = region[..., 3].astype(np.float32) * (1 / 255)
    gain = 1 + rough * (0.3 * fine * fade + 0.17 * broad * (0.35 + 0.65 * fade))
    if light.sun > NO_SHADOWS_BELOW:
        mask = cv2.GaussianBlur(canvas.shadow[first:], (0, 0), max(0.6, camera.focal / 260)).astype(np.float32) / 255
        # Half shadow (foliage) breaks up into sun flecks; full shadow and full sun stay as they are.
        mask = np.clip(mask + 1.6 * broad * mask * (1 - mask), 0, 1)
        canvas.shadow[first:] = mask * 255
        sunless = light.ambient / light.on(0, 1, 0)
        gain *= 1 - mask * (1 - sunless)
    clear = np.exp(-z / light.haze_m)[:, None]
    gain *= clear
    for channel in range(3):
        plane = region[..., channel] * gain + light.haze[channel] * (1 - clear)
        region[..., channel] = np.clip(plane, 0, 255)
    region[..., 3] = 12


def finish(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """The photo as the camera delivers it: surface grain, vignette, exposure, blur, noise. (H, W, 3) uint8 RGB."""
    camera, light = canvas.camera, canvas.light
    height, width = camera.height, camera.width
    surface = window(fractal_tile(4, 0.85), (height, width), rng.uniform(0, TILE, 2), max(0.5, 256 / camera.focal))
    gain = canvas.photo[..., 3] * (surface * np.float32(0.5 / 255)) + 1
    across = np.linspace(-1, 1, width, dtype=np.float32) ** 2
    down = np.linspace(-1, 1, height, dtype=np.float32) ** 2
    gain *= (1 - rng.uniform(0.06, 0.16) * (across + down[:, None])) * light.exposure
    noise = window(grain_tile(), (height, width), rng.integers(0, TILE, 2), 1.0) * rng.uniform(1.5, 4.0)
    photo = cv2.cvtColor(canvas.photo, cv2.COLOR_RGBA2RGB)
    photo = cv2.GaussianBlur(photo, (3, 3), float(np.clip(camera.focal / 500, 0.42, 0.8)))
    exposed: np.ndarray = cv2.multiply(photo, cv2.merge([gain] * 3), dtype=cv2.CV_32F)
    exposed = exposed + noise[..., None]
    curve = 255 * (np.arange(256) / 255) ** light.gamma
    return cv2.LUT(cv2.convertScaleAbs(np.maximum(exposed, 0, out=exposed)), curve.astype(np.uint8))
