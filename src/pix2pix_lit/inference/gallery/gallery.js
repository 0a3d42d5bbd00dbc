"use strict";

const element = (id) => document.getElementById(id);
const [list, filter, size, dialog, figures] = ["list", "filter", "size", "dialog", "figures"].map(element);
const { entries } = JSON.parse(element("entries").textContent);

const byAddress = new Map(); // the part of the URL after "#" -> entry
for (const entry of entries) {
  entry.text = entry.name.normalize("NFC").toLowerCase();
  entry.address = byAddress.has(entry.name) ? `${entry.name}#${byAddress.size}` : entry.name;
  byAddress.set(entry.address, entry);
}

let shown = entries; // the entries that match the filter
let columns = 1; // of the list
let rowHeight = 1; // pixels, with the gap; the same for all rows
let enlarged = 0; // position in `shown`
let divider = 50; // percentage of a comparison's width that shows the input
let addressTimer;

const hashOf = (entry) => "#" + encodeURIComponent(entry.address).replaceAll("%2F", "/");
const countOf = (number) => number.toLocaleString("en");

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function videoOf(entry, { caption, file }) {
  // preload is set before src, which would start loading.
  return make("video", { preload: "none", controls: true, ariaLabel: `${caption} of ${entry.name}`, src: file });
}

// The list: only entries near the visible window are in the document.

function cardOf(position) {
  const entry = shown[position];
  const boxes = (entry.videos ?? entry.pictures).map((item) => {
    const image = { loading: "lazy", alt: `${item.caption} of ${entry.name}`, src: item.thumbnail };
    const content = entry.videos ? videoOf(entry, item) : make("img", image);
    return make("div", { className: "box" }, content, make("span", { textContent: item.caption }));
  });
  const strip = make("div", { className: "strip" }, ...boxes);
  const start = entry.name.lastIndexOf("/") + 1; // the file's own name comes first, since long ones are cut off
  const name = make("b", { textContent: entry.name.slice(start) });
  const folder = make("small", { textContent: entry.name.slice(0, start) });
  const caption = make("span", { className: "caption" }, name, " ", folder);
  const link = make("a", { href: hashOf(entry), title: entry.name, ariaLabel: entry.name });
  link.append(...(entry.videos ? [caption] : [strip, caption])); // a video has buttons of its own
  const card = make("li", { ariaSetSize: shown.length, ariaPosInSet: position + 1, position });
  card.append(...(entry.videos ? [strip, link] : [link]));
  return card;
}

function draw() {
  const top = Math.max(0, -list.getBoundingClientRect().top);
  const spare = innerHeight / 2; // drawn above and below the window, to scroll without gaps
  const rows = Math.ceil(shown.length / columns);
  const firstRow = Math.max(0, Math.min(rows, Math.floor((top - spare) / rowHeight)));
  const endRow = Math.min(rows, Math.ceil((top + innerHeight + spare) / rowHeight));
  const [first, end] = [firstRow * columns, Math.min(shown.length, endRow * columns)];
  for (const card of [...list.children]) {
    if (card.position < first || card.position >= end) card.remove();
  }
  let there = list.firstElementChild; // not moved: moving would lose the focus and stop a video
  for (let position = first; position < end; position++) {
    if (there?.position === position) there = there.nextElementSibling;
    else list.insertBefore(cardOf(position), there);
  }
  list.style.paddingTop = `${firstRow * rowHeight}px`;
  list.style.paddingBottom = `${(rows - endRow) * rowHeight}px`;
}

/** Recompute the layout, keeping the same entry at the top of the window. */
function layOut() {
  const top = -list.getBoundingClientRect().top;
  const positionAtTop = Math.round(top / rowHeight) * columns;
  list.replaceChildren(...shown.slice(0, 1).map((_, position) => cardOf(position)));
  if (shown.length) {
    const style = getComputedStyle(list);
    columns = style.gridTemplateColumns.split(" ").length;
    rowHeight = list.firstChild.getBoundingClientRect().height + parseFloat(style.rowGap);
  }
  list.style.paddingBottom = `${Math.ceil(shown.length / columns) * rowHeight}px`; // room to scroll to
  if (top > 0) scrollTo(0, list.offsetTop + Math.floor(positionAtTop / columns) * rowHeight);
  draw();
}

function sift() {
  const words = filter.value.normalize("NFC").toLowerCase().split(/\s+/);
  shown = entries.filter(({ text }) => words.every((word) => text.includes(word)));
  element("count").textContent = `${countOf(shown.length)} of ${countOf(entries.length)}`;
  element("none").hidden = shown.length > 0 || !entries.length;
  if (list.getBoundingClientRect().top < 0) scrollTo(0, 0);
  layOut();
}

function resize() {
  document.documentElement.style.setProperty("--side", `${size.value}px`);
  layOut();
}

// The enlarged view.

function imageOf(entry, { caption, thumbnail, file, shown }) {
  const image = make("img", { alt: `${caption} of ${entry.name}`, draggable: false, src: shown ? file : thumbnail });
  image.style.backgroundImage = `url("${thumbnail}")`; // until the file is loaded
  image.onerror = () => Object.assign(image, { onerror: null, src: thumbnail }); // it has been moved
  return image;
}

function figureOf(frame, ...caption) {
  return make("figure", {}, frame, make("figcaption", {}, ...caption));
}

/** Two pictures on top of each other, with a divider that is moved by mouse or keyboard. */
function comparisonOf(entry, before, after) {
  const frame = make("div", { className: "frame compared" }, imageOf(entry, before), imageOf(entry, after));
  const slider = make("input", { type: "range", step: "any", ariaLabel: `How much of the ${before.caption} is shown` });
  const divide = (percent) => {
    slider.value = percent; // the slider clamps it to 0..100
    divider = slider.value;
    frame.style.setProperty("--divider", `${divider}%`);
  };
  frame.onpointerdown = frame.onpointermove = (event) => {
    const { left, width } = frame.getBoundingClientRect();
    if (event.type === "pointerdown") frame.setPointerCapture(event.pointerId);
    if (event.buttons) divide((100 * (event.clientX - left)) / width);
  };
  slider.oninput = () => divide(slider.value);
  divide(divider);
  return figureOf(frame, before.caption, slider, after.caption);
}

function enlarge(position) {
  const entry = shown[position];
  enlarged = position;
  element("name").textContent = entry.name;
  element("place").textContent = `${countOf(position + 1)} of ${countOf(shown.length)}`;
  element("previous").disabled = position === 0;
  element("next").disabled = position === shown.length - 1;
  const parts = (entry.videos ?? entry.pictures).map((item) => {
    const link = { href: item.file, target: "_blank", textContent: entry.videos ? "file" : "full size" };
    const frame = make("div", { className: "frame" }, (entry.videos ? videoOf : imageOf)(entry, item));
    return figureOf(frame, item.caption, item.file ? make("a", link) : "");
  });
  const of = (caption) => entry.pictures?.find((picture) => picture.caption === caption);
  if (of("input") && of("generated")) parts.push(comparisonOf(entry, of("input"), of("generated")));
  figures.replaceChildren(...parts);
  if (!dialog.open) dialog.showModal();
  fit();
}

/** Choose the number of columns that makes pictures largest, preferring one row unless others gain a fifth. */
function fit() {
  const ratio = shown[enlarged].ratio ?? 16 / 9;
  const number = figures.children.length;
  let [chosen, best] = [1, 0];
  for (let columns = number; columns >= 1; columns--) {
    const width = (figures.clientWidth - 32 - 16 * (columns - 1)) / columns; // without padding and gaps
    const height = (figures.clientHeight - 16) / Math.ceil(number / columns) - 40; // and caption
    const side = innerWidth <= 640 ? width : Math.min(width, height * ratio);
    if (side > best * 1.2) [chosen, best] = [columns, side];
  }
  figures.style = `--columns: ${chosen}; --width: ${Math.floor(best)}px; --shape: ${ratio}`;
}

function step(by) {
  const entry = shown[enlarged + by];
  if (!entry) return;
  enlarge(enlarged + by);
  clearTimeout(addressTimer); // browsers limit how often the address may change, and a held key repeats faster
  addressTimer = setTimeout(() => history.replaceState(null, "", hashOf(entry)), 200);
}

/** Enlarge the entry named in the address, if any. */
function follow() {
  let address = location.hash.slice(1);
  try {
    address = decodeURIComponent(address);
  } catch {} // a literal percent sign, typed by hand
  const entry = byAddress.get(address);
  if (!entry) return dialog.close();
  if (!shown.includes(entry)) {
    filter.value = "";
    sift();
  }
  enlarge(shown.indexOf(entry));
}

dialog.onclose = () => {
  clearTimeout(addressTimer);
  history.replaceState(null, "", location.href.split("#")[0]);
  figures.replaceChildren(); // stops videos
  const top = list.offsetTop + Math.floor(enlarged / columns) * rowHeight;
  if (top < scrollY + 60 || top + rowHeight > scrollY + innerHeight) scrollTo(0, top - (innerHeight - rowHeight) / 2);
  draw();
  const card = [...list.children].find(({ position }) => position === enlarged);
  card?.querySelector("a").focus({ preventScroll: true });
};

onkeydown = (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const isReserved = event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, video");
  if (by && dialog.open && !isReserved) step(by);
};

element("previous").onclick = () => step(-1);
element("next").onclick = () => step(1);
element("close").onclick = () => dialog.close();
filter.oninput = sift;
size.oninput = resize;
onscroll = draw;
onhashchange = follow;
onresize = () => (layOut(), dialog.open && fit());

resize();
sift();
follow();
