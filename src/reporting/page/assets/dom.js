const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const many = data.many || null;
/* Of very many cards, what the index says: parts.js puts a whole card in its place when it is looked at. */
const cards = many ? [...document.getElementsByClassName("index")].flatMap((block) => JSON.parse(block.textContent)) : data.cards;

/* An element; texts become text nodes, so nothing in them is ever read as markup. */
function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/* A text of the page in the reader's language. */
function word(key, ...values) {
  const text = Object.hasOwn(data.words, key) ? data.words[key][state.lang === "zh" ? 1 : 0] : key;
  return values.reduce((shown, value, place) => shown.replace(`{${place}}`, value), text);
}

/* A text of the data, or {"word": key}. */
function said(text) {
  return text && typeof text === "object" ? word(text.word) : text || "";
}

/* What a picture is called, with its number where several have one label. */
function named(picture) {
  return picture.place ? `${said(picture.label)} ${picture.place}` : said(picture.label);
}

const number = (value, digits = 2) => (typeof value === "number" ? value.toFixed(digits) : "–");
const statusWord = (status) => word(status);

const blocks = new Map();

const isShown = (picture) => picture.thumbnail !== undefined || Boolean(picture.full);

/* Where the small picture is: inside the page, or in the file of the full one. */
const smallAddress = (picture) => (picture.thumbnail === undefined ? picture.full : thumbnail(picture.thumbnail));

/* The data URI of a thumbnail; null while the part of the page that holds it is still being read. */
function thumbnail(place) {
  if (typeof place === "string") return place;
  const block = Math.floor(place / data.chunk);
  if (!blocks.has(block)) {
    const element = document.getElementsByClassName("thumbnails")[block];
    const isWhole = element && (document.readyState !== "loading" || element.nextElementSibling);
    if (!isWhole) return null;
    blocks.set(block, JSON.parse(element.textContent));
  }
  return blocks.get(block)[place % data.chunk];
}
