/* What was asked and answered: prompts, replies, and each repeat of a judgement. */
const OPEN_BELOW = 400;

function folded(title, isOpen, ...shown) {
  return el("details", { open: isOpen }, el("summary", {}, title), shown);
}

/* Long texts under one title, numbered where there are several. */
function longTexts(title, all) {
  return all.map((text, index) => folded(all.length > 1 ? `${title} ${index + 1}` : title, text.length < OPEN_BELOW, el("pre", {}, text)));
}

/* Prompts as they were sent; what is no text of theirs is a mark. */
function prompts(all) {
  const line = (part) => (typeof part === "number" ? data.lines[part] : part);
  const shown = (part) => (typeof part === "object" ? el("span", { class: "mark" }, said(part)) : `${line(part)}\n`);
  return all.map((parts, index) => folded(all.length > 1 ? `${word("prompts")} ${index + 1}` : word("prompts"), false, el("pre", { class: "prompt" }, parts.map(shown))));
}

/* A row for each repeat, then their replies. */
function repeats(all) {
  if (!all.length) return "";
  const names = [...new Set(all.flatMap((one) => Object.keys(one.dimensions || {})))];
  const head = [word("repeat"), word("score"), ...names, word("judge_seconds")];
  const rows = all.map((one, index) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, String(index + 1)),
      el("td", {}, badge(one), one.reason ? el("small", { class: "reason" }, ` ${one.reason}`) : ""),
      names.map((name) => el("td", { class: "number" }, number((one.dimensions || {})[name]))),
      el("td", { class: "number" }, typeof one.seconds === "number" ? `${one.seconds.toFixed(2)} s` : "–"),
    ),
  );
  const table = el("table", { class: "repeats" }, el("thead", {}, el("tr", {}, head.map((title) => el("th", { scope: "col" }, title)))), el("tbody", {}, rows));
  const replies = all.map((one, index) => longTexts(`${word("repeat")} ${index + 1} · ${word("replies")}`, one.replies || []));
  return [el("h4", {}, word("repeats")), table, replies];
}
