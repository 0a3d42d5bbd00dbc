// Shared by Node.js and browsers; each passes its own build of onnxruntime-web as `ort`.

/**
 * Translate an image.
 *
 * @param ort The module onnxruntime-web.
 * @param session An ort.InferenceSession of a file of embed_preprocessing=true, from RGB to RGB.
 * @param image `{width, height, data}`, RGBA in rows, as ImageData and pngjs have it; A is ignored.
 * @returns The translation in the same form, opaque.
 */
export async function translate(ort, session, { width, height, data }) {
  const images = new Uint8Array(height * width * 3);
  for (let from = 0, to = 0; to < images.length; from += 4, to += 3) {
    images[to] = data[from];
    images[to + 1] = data[from + 1];
    images[to + 2] = data[from + 2];
  }
  const { generated } = await session.run({ images: new ort.Tensor("uint8", images, [1, height, width, 3]) });
  const pixels = new Uint8ClampedArray(height * width * 4).fill(255);
  for (let from = 0, to = 0; to < pixels.length; from += 3, to += 4) {
    pixels[to] = generated.data[from];
    pixels[to + 1] = generated.data[from + 1];
    pixels[to + 2] = generated.data[from + 2];
  }
  return { width, height, data: pixels };
}
