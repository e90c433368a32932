function translate() {
  document.documentElement.lang = state.lang;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
  for (const node of document.querySelectorAll("[data-word-placeholder]")) node.placeholder = word(node.dataset.wordPlaceholder);
  for (const node of document.querySelectorAll("[data-word-label]")) node.setAttribute("aria-label", word(node.dataset.wordLabel));
}

function setTheme() {
  if (state.theme) document.documentElement.dataset.theme = state.theme;
  else delete document.documentElement.dataset.theme;
}

function isDark() {
  return state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function changeTheme() {
  state.theme = isDark() ? "light" : "dark";
  writeAddress();
  setTheme();
}

function changeLanguage() {
  state.lang = state.lang === "zh" ? "en" : "zh";
  writeAddress();
  showAll();
}

/* Everything, in the chosen language and state. */
function showAll() {
  translate();
  setTheme();
  drawCharts();
  if (!cards.length) return;
  fillChoices();
  syncInputs();
  showCards();
  if (viewer.isOpen) drawViewer();
}

function openAddressed() {
  if (!cards.length) return;
  const place = state.id ? cards.findIndex((card) => card.id === state.id) : -1;
  const unknown = $("unknown");
  unknown.hidden = !state.id || place >= 0;
  unknown.textContent = unknown.hidden ? "" : word("unknown_card", state.id);
  if (place >= 0 && place !== (viewer.isOpen ? viewer.place : -1)) openCard(place);
  else if (!state.id) closeViewer();
}

const GALLERY_KEYS = {
  ArrowLeft: () => -1,
  ArrowRight: () => 1,
  ArrowUp: () => -gallery.columns,
  ArrowDown: () => gallery.columns,
};
const VIEWER_KEYS = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  "[": () => moveCut(viewer.cut - 5),
  "]": () => moveCut(viewer.cut + 5),
  " ": () => viewer.mode === "flicker" && stopOrGo(),
  "+": () => zoomBy(2),
  "=": () => zoomBy(2),
  "-": () => zoomBy(0.5),
  0: () => zoomTo(1),
};
MODES.forEach((mode, index) => (VIEWER_KEYS[index + 1] = () => setMode(mode)));

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, select, textarea");
  if (typing) {
    if (event.key === "Escape" && !viewer.isOpen) event.target.blur();
    return;
  }
  if (event.key === "l") return changeLanguage();
  if (event.key === "d") return changeTheme();
  if (!cards.length) return;
  if (viewer.isOpen) {
    const onButton = event.key === " " && event.target.matches("button, summary");
    if (VIEWER_KEYS[event.key] && !onButton) {
      VIEWER_KEYS[event.key]();
      event.preventDefault();
    }
    return;
  }
  const position = positionOf(event.target);
  if (event.key === "/") {
    $("q").focus();
    event.preventDefault();
  } else if (event.key === "Enter" && position >= 0) {
    openCard(gallery.shown[position]);
  } else if (GALLERY_KEYS[event.key] && (position >= 0 || event.target === document.body)) {
    focusCard(position < 0 ? 0 : position + GALLERY_KEYS[event.key]());
    event.preventDefault();
  }
}

readAddress();
if (cards.length) startGallery();
showAll();
openAddressed();
$("language").addEventListener("click", changeLanguage);
$("theme").addEventListener("click", changeTheme);
addEventListener("keydown", onKey);
/* The step back of a viewer that was closed: the language and the rest may have changed meanwhile. */
addEventListener("popstate", () => {
  if (!viewer.isOpen && splitAddress(location.hash.slice(1))[0] === "") writeAddress();
});
addEventListener("hashchange", () => {
  viewer.isStep = false;
  readAddress();
  showAll();
  openAddressed();
});
/* Thumbnails come after the script, so that a large page shows its first cards at once. */
addEventListener("DOMContentLoaded", () => {
  if (cards.length) refresh();
  if (viewer.isOpen) drawViewer();
});
$("viewer").addEventListener("cancel", (event) => {
  event.preventDefault();
  closeViewer();
});
$("viewer").addEventListener("close", closeViewer);
$("viewer").addEventListener("click", (event) => event.target === $("viewer") && closeViewer());
