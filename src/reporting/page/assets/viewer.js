/* One card at full size: pictures side by side, under a slider, in turn, or as their difference. */
const MODES = ["side", "slider", "flicker", "difference"];
const FLICKER_MS = 600;
const viewer = { place: -1, wanted: -1, mode: "side", left: 0, right: 1, cut: 50, zoom: 1, x: 0, y: 0, gain: 4, timer: 0, isOpen: false, isStep: false, parts: {} };

function openCard(place) {
  viewer.wanted = place;
  if (!isWhole(place)) return whole(place, () => viewer.wanted === place && openCard(place));
  const pictures = picturesOf(cards[place]);
  const there = pictures.map((picture, index) => (isShown(picture) ? index : -1)).filter((index) => index >= 0);
  const left = there[0] ?? 0;
  const edit = there.find((index) => index > left && index >= (cards[place].inputs || []).length) ?? left;
  Object.assign(viewer, { place, left, right: edit, zoom: 1, x: 0, y: 0, cut: 50 });
  state.id = cards[place].id;
  const isStep = !viewer.isOpen && location.hash !== address(state.id);
  writeAddress(isStep);
  viewer.isStep ||= isStep;
  viewer.isOpen = true;
  drawViewer();
  if (!$("viewer").open) $("viewer").showModal();
  $("viewer").scrollTop = 0;
}

/* Ends the viewer, however it was closed: a second call does nothing. The step in the history that opened it is taken back. */
function closeViewer() {
  viewer.wanted = -1;
  if (!viewer.isOpen) return;
  viewer.isOpen = false;
  clearInterval(viewer.timer);
  if ($("viewer").open) $("viewer").close();
  state.id = "";
  writeAddress();
  if (viewer.isStep) history.back();
  viewer.isStep = false;
  const position = gallery.shown.indexOf(viewer.place);
  if (position >= 0) focusCard(position);
}

function step(by) {
  const position = gallery.shown.indexOf(viewer.place);
  const next = gallery.shown[position + by];
  if (next !== undefined) openCard(next);
}

function drawViewer() {
  const card = cards[viewer.place];
  const tool = (key, run, text) => el("button", { type: "button", title: word(key), "aria-label": word(key), onclick: run }, text);
  const modes = MODES.map((mode, index) => el("button", { type: "button", "data-mode": mode, title: String(index + 1), onclick: () => setMode(mode) }, word(mode)));
  viewer.parts = { modes, stage: el("div", { class: "stage", tabindex: "-1", autofocus: true }), controls: el("div", { class: "controls" }) };
  $("viewer").replaceChildren(
    el(
      "header",
      { class: "viewer-head" },
      el("h2", { id: "viewer-title" }, card.id),
      where(card),
      el("span", { class: "spacer" }),
      el("a", { href: address(card.id), title: word("copy_link"), class: "link-to" }, "#"),
      tool("previous", () => step(-1), "←"),
      tool("next", () => step(1), "→"),
      tool("close", closeViewer, "×"),
    ),
    el("div", { class: "viewer-bar" }, el("span", { class: "choice" }, modes), viewer.parts.controls, el("span", { class: "spacer" }), tool("zoom_out", () => zoomBy(0.5), "−"), tool("zoom_off", () => zoomTo(1), "1:1"), tool("zoom_in", () => zoomBy(2), "+")),
    viewer.parts.stage,
    described(card),
  );
  startStage(viewer.parts.stage);
  drawStage();
}

function setMode(mode) {
  viewer.mode = mode;
  drawStage();
}

function drawStage() {
  clearInterval(viewer.timer);
  const pictures = picturesOf(cards[viewer.place]);
  for (const button of viewer.parts.modes) button.setAttribute("aria-pressed", String(button.dataset.mode === viewer.mode));
  viewer.parts.stage.className = `stage ${viewer.mode}`;
  viewer.parts.controls.replaceChildren(...(viewer.mode === "side" ? [] : pairControls(pictures)));
  const draw = { side: sideBySide, slider: underSlider, flicker: inTurn, difference: difference }[viewer.mode];
  viewer.parts.stage.replaceChildren(...draw(pictures));
  moveZoom();
}

function pairControls(pictures) {
  const select = (side) => {
    const options = pictures.map((picture, index) => el("option", { value: index, selected: index === viewer[side] }, named(picture)));
    return el("label", {}, `${word(side)} `, el("select", { "data-side": side, onchange: (event) => ((viewer[side] = Number(event.target.value)), drawStage()) }, options));
  };
  return [select("left"), select("right"), ...(viewer[`${viewer.mode}Controls`] || (() => []))()];
}

viewer.sliderControls = () => [
  el("input", { type: "range", min: 0, max: 100, step: 1, value: viewer.cut, class: "cut", "aria-label": word("slider"), oninput: (event) => moveCut(Number(event.target.value)) }),
];
viewer.flickerControls = () => [el("button", { type: "button", class: "stop", onclick: stopOrGo }, word("stop"))];
viewer.differenceControls = () => [
  el("label", {}, `${word("gain")} `, el("input", { type: "range", min: 1, max: 16, value: viewer.gain, class: "gain", oninput: (event) => ((viewer.gain = Number(event.target.value)), showGain()) })),
];

/* The full picture; its thumbnail where the file is not there. */
function large(picture, className = "") {
  if (!isShown(picture)) return el("span", { class: "missing" }, picture.missing || word("no_picture"));
  const image = el("img", { src: picture.full || smallAddress(picture), alt: named(picture), draggable: "false", class: `${className} ${crisp(picture) || ""}`.trim() });
  image.addEventListener("error", () => {
    const inside = smallAddress(picture);
    if (inside === null || inside === picture.full || image.src === inside) return;
    image.src = inside;
    image.title = word("thumbnail_only");
  });
  return image;
}

function caption(picture) {
  const size = picture.size ? ` ${picture.size[0]} × ${picture.size[1]}` : "";
  return el("figcaption", {}, named(picture), el("small", {}, size));
}

function sideBySide(pictures) {
  return pictures.map((picture) => el("figure", {}, el("div", { class: "frame" }, el("div", { class: "zoomed" }, large(picture))), caption(picture)));
}

function stacked(pictures, ...extra) {
  const [left, right] = [pictures[viewer.left], pictures[viewer.right]];
  const frame = el("div", { class: "frame one" }, el("div", { class: "zoomed" }, large(left, "under"), large(right, "over")), ...extra);
  const size = right.size || left.size;
  if (size) frame.style.aspectRatio = `${size[0]} / ${size[1]}`;
  return [el("figure", {}, frame, el("figcaption", {}, `${named(left)} · ${named(right)}`))];
}

function underSlider(pictures) {
  const shown = stacked(pictures, el("div", { class: "divider" }));
  queueMicrotask(() => moveCut(viewer.cut));
  return shown;
}

function moveCut(share) {
  viewer.cut = Math.min(100, Math.max(0, share));
  const frame = viewer.parts.stage.querySelector(".frame");
  const over = frame && frame.querySelector(".over");
  if (!over || viewer.mode !== "slider") return;
  const x = (viewer.cut / 100) * frame.clientWidth;
  const inside = (x - frame.clientWidth / 2 - viewer.x) / viewer.zoom + frame.clientWidth / 2;
  over.style.clipPath = `inset(0 0 0 ${inside}px)`;
  frame.querySelector(".divider").style.left = `${viewer.cut}%`;
  const range = viewer.parts.controls.querySelector(".cut");
  if (range) range.value = viewer.cut;
}

function inTurn(pictures) {
  const shown = stacked(pictures);
  go();
  return shown;
}

function go() {
  viewer.timer = setInterval(() => {
    const over = viewer.parts.stage.querySelector(".over");
    if (over) over.classList.toggle("hidden");
  }, FLICKER_MS);
}

function stopOrGo() {
  const runs = viewer.timer !== 0;
  clearInterval(viewer.timer);
  viewer.timer = 0;
  if (!runs) go();
  const button = viewer.parts.controls.querySelector(".stop");
  if (button) button.textContent = word(runs ? "go" : "stop");
}

/* Drawn by the canvas itself: pixels of files from disk may be shown, not read. */
function difference(pictures) {
  const canvas = el("canvas", { class: "difference-map", role: "img", "aria-label": word("difference") });
  const images = [viewer.left, viewer.right].map((index) => large(pictures[index]));
  if (images.some((image) => image.tagName !== "IMG")) return images;
  Promise.all(images.map(loaded)).then(([left, right]) => {
    canvas.width = right.naturalWidth;
    canvas.height = right.naturalHeight;
    const context = canvas.getContext("2d");
    context.drawImage(left, 0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "difference";
    context.drawImage(right, 0, 0, canvas.width, canvas.height);
    canvas.dataset.done = "yes";
    showGain();
  });
  return [el("figure", {}, el("div", { class: "frame one" }, el("div", { class: "zoomed" }, canvas)), el("figcaption", {}, `| ${named(pictures[viewer.left])} − ${named(pictures[viewer.right])} |`))];
}

function loaded(image) {
  return new Promise((done) => {
    const wait = () => (image.complete && image.naturalWidth ? done(image) : image.addEventListener("load", () => done(image), { once: true }));
    wait();
  });
}

function showGain() {
  const canvas = viewer.parts.stage.querySelector("canvas");
  if (canvas) canvas.style.filter = `brightness(${viewer.gain})`;
}

/* Zoom and movement, the same for all pictures in sight. */
function zoomTo(zoom, at = [0, 0]) {
  const next = Math.min(32, Math.max(1, zoom));
  const factor = next / viewer.zoom;
  viewer.x = next === 1 ? 0 : at[0] - (at[0] - viewer.x) * factor;
  viewer.y = next === 1 ? 0 : at[1] - (at[1] - viewer.y) * factor;
  viewer.zoom = next;
  moveZoom();
}

const zoomBy = (factor) => zoomTo(viewer.zoom * factor);

function moveZoom() {
  for (const node of viewer.parts.stage.querySelectorAll(".zoomed")) {
    node.style.transform = `translate(${viewer.x}px, ${viewer.y}px) scale(${viewer.zoom})`;
  }
  moveCut(viewer.cut);
}

function startStage(stage) {
  let held = null;
  const cutAt = (event) => {
    const box = stage.querySelector(".frame").getBoundingClientRect();
    moveCut(((event.clientX - box.left) / box.width) * 100);
  };
  stage.addEventListener("wheel", (event) => {
    const frame = event.target.closest(".frame");
    if (!frame || !(event.ctrlKey || event.metaKey || viewer.zoom > 1 || event.altKey)) return;
    event.preventDefault();
    const box = frame.getBoundingClientRect();
    zoomTo(viewer.zoom * Math.exp(-event.deltaY / 300), [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2]);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    const frame = event.target.closest(".frame");
    if (!frame) return;
    const box = frame.getBoundingClientRect();
    if (viewer.zoom > 1) zoomTo(1);
    else zoomTo(4, [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2]);
  });
  stage.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".frame")) return;
    const cuts = viewer.mode === "slider" && (viewer.zoom === 1 || event.target.classList.contains("divider"));
    held = { cuts, x: event.clientX - viewer.x, y: event.clientY - viewer.y };
    if (cuts) cutAt(event);
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!held) return;
    if (held.cuts) cutAt(event);
    else if (viewer.zoom > 1) {
      viewer.x = event.clientX - held.x;
      viewer.y = event.clientY - held.y;
      moveZoom();
    }
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (held = null));
}

/* Everything that is known of the card in words. */
function described(card) {
  const texts = Object.entries(card.instruction || {}).map(([language, text]) => el("p", { lang: language, class: "instruction" }, el("span", { class: "language" }, language), text));
  const description = card.description ? el("p", { class: "description" }, el("b", {}, `${word("description")}: `), card.description) : "";
  const tags = el("p", { class: "tags" }, (card.tags || []).map((tag) => el("span", { class: "tag" }, tag)));
  return el("div", { class: "described" }, el("h3", {}, word("instruction")), texts, description, tags, (card.outcomes || []).map(outcomeNode));
}

function outcomeNode(outcome) {
  const pairs = Object.entries(outcome.facts || {}).map(([name, value]) => [word(name), value]);
  for (const key of ["edit_seconds", "judge_seconds"]) {
    if (typeof outcome[key] === "number") pairs.push([word(key), `${outcome[key].toFixed(2)} s`]);
  }
  if (typeof outcome.disagreement === "number") pairs.push([word("disagreement"), number(outcome.disagreement)]);
  return el(
    "section",
    { class: "outcome" },
    el("h3", {}, badge(outcome), outcome.name ? ` ${outcome.name}` : ""),
    outcome.reason ? el("p", { class: "reason" }, outcome.reason) : "",
    outcome.reading ? el("p", {}, el("b", {}, `${word("reading")}: `), outcome.reading) : "",
    dimensions(outcome.dimensions || {}),
    outcome.text ? folded(word("text"), false, el("pre", {}, outcome.text)) : "",
    prompts(outcome.prompts || []),
    longTexts(word("replies"), outcome.replies || []),
    repeats(outcome.repeats || []),
    el("dl", {}, pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
  );
}

function dimensions(values) {
  const entries = Object.entries(values);
  if (!entries.length) return "";
  const rows = entries.map(([name, value]) => {
    const bar = el("span", { class: "meter" });
    bar.style.setProperty("--share", typeof value === "number" ? Math.min(1, Math.max(0, value / 10)) : 0);
    return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, bar), el("td", { class: "number" }, number(value)));
  });
  return el("table", { class: "dimensions" }, el("tbody", {}, rows));
}
