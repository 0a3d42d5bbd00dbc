// Translate a PNG file with a file of format=onnx: node node.mjs model.onnx in.png out.png

import { readFileSync, writeFileSync } from "node:fs";

import * as ort from "onnxruntime-web";
import { PNG } from "pngjs";

import { translate } from "./translate.js";

const [model, source, target] = process.argv.slice(2);
const session = await ort.InferenceSession.create(readFileSync(model));
const generated = await translate(ort, session, PNG.sync.read(readFileSync(source)));
writeFileSync(target, PNG.sync.write({ ...generated, data: Buffer.from(generated.data) }, { colorType: 2 })); // RGB
