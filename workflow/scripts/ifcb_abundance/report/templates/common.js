// What all parts of the page use: elements, unpacking, tables as columns, downloads. Text that came with the data is only
// ever set as text: labels may hold anything.
const DAY = 24 * 3600 * 1000;
const element = (id) => document.getElementById(id);
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: false });
const thousands = new Intl.NumberFormat("en");
const isoDay = (time) => new Date(time).toISOString().slice(0, 10);

function make(tag, attributes = {}, ...content) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...content);
  return made;
}

function drawn(tag, attributes = {}, ...content) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

// What is packed is gzip in base64, which the browser unpacks.
async function unpackBytes(name) {
  const letters = atob(element(`pack-${name}`).textContent);
  const packed = new Uint8Array(letters.length);
  for (let i = 0; i < packed.length; i++) packed[i] = letters.charCodeAt(i); // Uint8Array.from takes ten times as long
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

const unpack = async (name) => new TextDecoder().decode(await unpackBytes(name));

async function library(name) {
  const url = URL.createObjectURL(new Blob([await unpack(name)], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

const tables = {}; // name to its columns, as unpacked
async function columnsOf(name) {
  if (!tables[name]) {
    tables[name] = JSON.parse(await unpack(name));
    for (const column of tables[name]) {
      if (column.codes) column.values = column.codes.map((code) => column.values[code]);
    }
  }
  return tables[name];
}

function asCsv(names, rows) {
  // What spreadsheets run as a formula, after the other separator that they know too, is made text by an apostrophe.
  const formula = /(^|;)(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g;
  const cell = (value) => {
    const text = typeof value === "string" ? value.replace(formula, "$1$2'") : String(value ?? "");
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows].map((row) => row.map(cell).join(",") + "\n").join("");
}

function save(text, file) {
  const url = URL.createObjectURL(new Blob([text], { type: file.endsWith(".csv") ? "text/csv" : "text/plain" }));
  make("a", { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

const breath = () => new Promise((resolve) => setTimeout(resolve));
