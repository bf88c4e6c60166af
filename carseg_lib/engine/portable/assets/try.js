// Finds the cars in a photo that the reader chooses. The model and the runtime are inside this page; it asks for nothing.
// `ort` (ONNX Runtime Web) was put on globalThis by the script before.

const about = JSON.parse(element("about").textContent);
const LONGEST_SHOWN = 1200; // pixels of the picture's longer side
const SHORTEST_SHOWN = 640; // a smaller photo is enlarged, to have room for outlines
const LETTERS = [..."0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%:()*+-;,=.?@^_`{|}~"];
const LANCZOS = 3; // cells on either side of the filter that shrinks photos, as Pillow's

function element(id) {
  return document.getElementById(id);
}

// The bytes that a data block holds, gzipped and in base 85: five letters are four bytes.
async function unpacked(id) {
  const block = element(id);
  const text = block.textContent;
  const values = new Uint8Array(128);
  LETTERS.forEach((letter, value) => (values[letter.charCodeAt(0)] = value));
  const bytes = new DataView(new ArrayBuffer((text.length / 5) * 4));
  for (let i = 0; i < text.length / 5; i++) {
    let sum = 0;
    for (let k = 5 * i; k < 5 * i + 5; k++) sum = 85 * sum + values[text.charCodeAt(k)];
    bytes.setUint32(4 * i, sum);
  }
  block.remove();
  const parts = new Blob([new Uint8Array(bytes.buffer, 0, Number(block.dataset.bytes))]).stream();
  return new Uint8Array(await new Response(parts.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}

// Bytes of which the even ones come first, then the odd ones, in their order.
function merged(split) {
  const result = new Uint8Array(split.length);
  const evens = Math.ceil(split.length / 2);
  for (let i = 0; i < evens; i++) result[2 * i] = split[i];
  for (let i = evens; i < split.length; i++) result[2 * (i - evens) + 1] = split[i];
  return result;
}

async function openModel() {
  ort.env.wasm.numThreads = 1; // threads need a server that sends headers; a file has none
  ort.env.wasm.wasmBinary = await unpacked("wasm");
  return ort.InferenceSession.create(merged(await unpacked("model")), { executionProviders: ["wasm"] });
}

// ---- the photo ----

// A photo, upright as its EXIF says, drawn on white on a canvas whose longer side is within the two numbers of pixels.
function drawn(bitmap, longest, shortest = 0) {
  const side = Math.max(bitmap.width, bitmap.height);
  const scale = Math.min(Math.max(1, shortest / side), longest / side);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// RGB bytes (height, width, 3) of a photo, shrunk as for training if it is large.
function pixelsOf(bitmap) {
  // browsers shrink each in its own way: they do the rough part alone, and only of a large photo
  const canvas = drawn(bitmap, 4 * about.longest_side);
  const { width, height } = canvas;
  const rgba = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; i < rgba.length; i += 4) {
    rgb[j++] = rgba[i];
    rgb[j++] = rgba[i + 1];
    rgb[j++] = rgba[i + 2];
  }
  const scale = about.longest_side / Math.max(width, height);
  if (scale >= 1) return { data: rgb, width, height };
  const columns = Math.max(1, Math.round(width * scale));
  const rows = Math.max(1, Math.round(height * scale));
  const narrow = shrunk(rgb, { lines: height, line: width * 3, cells: width, cell: 3 }, columns);
  // each column of the narrow photo is shrunk in turn: its lines lie across
  const small = new Uint8Array(rows * columns * 3);
  const across = taps(height, rows);
  for (let y = 0; y < rows; y++) {
    const { first, weights } = across[y];
    for (let x = 0; x < columns * 3; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * narrow[(first + k) * columns * 3 + x];
      small[y * columns * 3 + x] = byte(sum);
    }
  }
  return { data: small, width: columns, height: rows };
}

function shrunk(pixels, { lines, line, cells, cell }, count) {
  const result = new Uint8Array(lines * count * cell);
  const along = taps(cells, count);
  for (let i = 0; i < lines; i++) {
    for (let j = 0; j < count; j++) {
      const { first, weights } = along[j];
      for (let c = 0; c < cell; c++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * pixels[i * line + (first + k) * cell + c];
        result[(i * count + j) * cell + c] = byte(sum);
      }
    }
  }
  return result;
}

// Which pixels make each new one, and with which weights: Lanczos, as wide as the photo shrinks.
function taps(size, count) {
  const scale = size / count;
  return Array.from({ length: count }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - LANCZOS * scale + 0.5));
    const end = Math.min(size, Math.floor(centre + LANCZOS * scale + 0.5));
    const weights = Array.from({ length: end - first }, (_, k) => lanczos((first + k + 0.5 - centre) / scale));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

function lanczos(x) {
  const sinc = (t) => (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t));
  return Math.abs(x) < LANCZOS ? sinc(x) * sinc(x / LANCZOS) : 0;
}

function byte(value) {
  return Math.max(0, Math.min(255, Math.round(value)));
}

// ---- the cars ----

// The cars of a photo, best first: type, score, probabilities of the types, box in its pixels and mask within the box.
async function find(session, photo) {
  const tensor = new ort.Tensor("uint8", photo.data, [photo.height, photo.width, 3]);
  const found = await session.run({ photo: tensor });
  const types = about.body_types.length;
  const side = found.masks.dims[1];
  const cars = [];
  for (let i = 0; i < found.scores.data.length; i++) {
    if (found.car_scores.data[i] < about.car_threshold) continue;
    cars.push({
      type: Number(found.labels.data[i]) - 1,
      score: found.scores.data[i],
      likely: Array.from(found.probabilities.data.slice(i * types, (i + 1) * types)),
      box: Array.from(found.boxes.data.slice(4 * i, 4 * i + 4)),
      mask: found.masks.data.slice(i * side * side, (i + 1) * side * side),
      side,
    });
  }
  return cars;
}

function named(car) {
  const text = `${about.body_types[car.type]}, score ${car.score.toFixed(2)}`;
  return car.score >= about.sure_score ? text : `not sure: ${text}`;
}

// Whether each pixel of a picture is inside a car: bilinear between the centres of the mask's cells, from 0.5.
function inside(car, scale, width, height) {
  const [x1, y1, x2, y2] = car.box.map((edge, k) => edge * scale[k % 2]);
  const result = new Uint8Array(width * height);
  const place = (centre, start, end) =>
    Math.max(0, Math.min(car.side - 1, ((centre - start) / Math.max(end - start, 1e-6)) * car.side - 0.5));
  for (let y = Math.max(0, Math.ceil(y1 - 0.5)); y + 0.5 < Math.min(y2, height); y++) {
    const v = place(y + 0.5, y1, y2);
    const top = Math.floor(v);
    const bottom = Math.min(top + 1, car.side - 1);
    for (let x = Math.max(0, Math.ceil(x1 - 0.5)); x + 0.5 < Math.min(x2, width); x++) {
      const u = place(x + 0.5, x1, x2);
      const left = Math.floor(u);
      const right = Math.min(left + 1, car.side - 1);
      const row = (r) => car.mask[r * car.side + left] * (1 - u + left) + car.mask[r * car.side + right] * (u - left);
      if (row(top) * (1 - v + top) + row(bottom) * (v - top) >= 0.5) result[y * width + x] = 1;
    }
  }
  return result;
}

// ---- the answer ----

function draw(bitmap, photo, cars) {
  const picture = drawn(bitmap, LONGEST_SHOWN, SHORTEST_SHOWN);
  const shown = element("picture");
  const { width, height } = picture;
  [shown.width, shown.height] = [width, height];
  const pen = shown.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0);
  const pixels = pen.getImageData(0, 0, width, height);
  const scale = [width / photo.width, height / photo.height];
  const thick = Math.max(1, Math.round(Math.min(width, height) / 160));
  for (const car of [...cars].reverse()) {
    const mask = inside(car, scale, width, height);
    const at = (x, y) => mask[Math.max(0, Math.min(height - 1, y)) * width + Math.max(0, Math.min(width - 1, x))];
    const tone = about.colours[car.type].match(/[0-9a-f]{2}/gi).map((part) => parseInt(part, 16));
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const here = at(x, y);
        const edge = (d) => at(x - d, y) !== here || at(x + d, y) !== here || at(x, y - d) !== here || at(x, y + d) !== here;
        let near = false;
        for (let d = 1; d <= (here ? thick : 1) && !near; d++) near = edge(d);
        if (near) pixels.data.set(here ? tone : [255, 255, 255], 4 * (y * width + x));
      }
    }
  }
  pen.putImageData(pixels, 0, 0);
  pen.lineWidth = Math.max(2, thick);
  for (const car of cars) {
    const [x1, y1, x2, y2] = car.box.map((edge, k) => edge * scale[k % 2]);
    pen.strokeStyle = about.colours[car.type];
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
}

function say(name, cars) {
  const answer = cars.length ? named(cars[0]) : "no car";
  element("answer").textContent = answer;
  element("picture").setAttribute("aria-label", `${name}: ${answer}`);
  const rows = cars.length ? cars[0].likely.map((share, k) => typeRow(about.body_types[k], share)) : [];
  element("types").hidden = !cars.length;
  element("types").tBodies[0].replaceChildren(...rows);
  const others = cars.slice(1).map((car) => Object.assign(document.createElement("li"), { textContent: named(car) }));
  element("others").hidden = !others.length;
  element("others").start = 2;
  element("others").replaceChildren(...others);
}

function typeRow(type, share) {
  const row = document.createElement("tr");
  const head = Object.assign(document.createElement("th"), { scope: "row", textContent: type });
  const bar = Object.assign(document.createElement("meter"), { value: share, ariaLabel: `${type} ${share.toFixed(2)}` });
  row.append(head, document.createElement("td"), document.createElement("td"));
  row.cells[1].append(bar);
  row.cells[2].textContent = share.toFixed(2);
  return row;
}

let running = Promise.resolve();

// One photo after the other: the runtime answers one at a time.
function show(file) {
  running = running.then(() => answer(file)).catch((error) => {
    element("status").textContent = `${file.name} cannot be shown: ${error.message || error}`;
    element("status").dataset.state = "failed";
  });
}

async function answer(file) {
  const status = element("status");
  status.dataset.state = "working";
  status.textContent = `Looking at ${file.name} …`;
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const session = await model;
  await new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)));
  const start = performance.now();
  const photo = pixelsOf(bitmap);
  const cars = await find(session, photo);
  draw(bitmap, photo, cars);
  say(file.name, cars);
  const seconds = (performance.now() - start) / 1000;
  element("result").hidden = false;
  status.textContent = `${file.name}: ${bitmap.width} × ${bitmap.height} pixels, ${seconds.toFixed(1)} s`;
  status.dataset.seconds = seconds;
  status.dataset.state = "done";
  bitmap.close();
}

for (const id of ["file", "camera"]) {
  element(id).addEventListener("change", (event) => {
    for (const file of event.target.files) show(file);
    event.target.value = ""; // the same photo may be chosen again
  });
}
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
}
addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  for (const file of event.dataTransfer.files) show(file);
});

const model = openModel();
model.then(
  () => {
    const status = element("status");
    if (!status.dataset.state) [status.textContent, status.dataset.state] = ["Ready.", "ready"];
  },
  (error) => {
    element("status").textContent = `The model cannot be opened in this browser: ${error.message || error}`;
    element("status").dataset.state = "failed";
  },
);
