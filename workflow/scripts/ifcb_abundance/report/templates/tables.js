// --- the tables: DataTables draws one when it is first seen

const shownTables = {}; // name to its DataTable
const isNumber = (column) => column.type === "number" || column.type === "integer";
let DataTable; // the library, once a table is drawn
let rowsInSpan = () => true; // of a table's name and a UTC day; the explorer sets it

async function drawTable(place) {
  DataTable ??= await library("datatables").then((module) => {
    // Rows of the days that the reader chose.
    module.default.ext.search.push((settings, _, at) => {
      const { table, dates } = settings.nTable.dataset.table ? settings.nTable.kept : {};
      return !dates || rowsInSpan(table, dates[at]);
    });
    return module.default;
  });
  const columns = await columnsOf(place.dataset.table);
  const rows = (columns[0]?.values ?? []).map((_, row) => columns.map((column) => column.values[row]));
  const shown = make("table", { className: "display compact" });
  shown.dataset.table = place.dataset.table;
  shown.kept = { table: place.dataset.table, dates: columns.find((column) => column.name === "date")?.values };
  shown.setAttribute("aria-label", place.dataset.title);
  const head = shown.createTHead().insertRow();
  for (const column of columns) {
    const cell = make("th", { title: column.about, scope: "col" }, column.name);
    if (column.unit) cell.append(make("span", { className: "unit" }, column.unit));
    head.append(cell);
  }
  place.replaceChildren(shown);
  const escape = DataTable.util.escapeHtml;
  const download = make("button", { className: "download", type: "button" }, "Download these rows as CSV");
  const table = new DataTable(shown, {
    data: rows,
    autoWidth: false,
    order: [],
    pageLength: 10,
    lengthMenu: [10, 25, 100, 1000],
    columnControl: { target: 1, content: ["search"] },
    columns: columns.map((column) => ({
      type: isNumber(column) ? "num" : "string",
      className: column.name === "reason" ? "long" : "",
      render: (value, use) => {
        if (value === null) return "";
        if (isNumber(column)) return use === "display" && column.type === "number" ? digits.format(value) : value;
        return use === "display" || use === "filter" ? escape(value) : value;
      },
    })),
    language: { emptyTable: "There is no row.", zeroRecords: "No row fits.", search: "Search all columns:" },
    layout: { topStart: ["pageLength", () => download], topEnd: "search", bottomStart: "info", bottomEnd: { paging: { buttons: 5, firstLast: false } } },
  });
  [...shown.tHead.rows[1].cells].forEach((cell, i) => {
    for (const field of cell.querySelectorAll("input, select")) field.setAttribute("aria-label", `Search ${columns[i].name}`);
  });
  download.addEventListener("click", () => {
    const found = table.rows({ search: "applied", order: "applied" }).data().toArray();
    save(asCsv(columns.map((column) => column.name), found), place.dataset.file);
  });
  shownTables[place.dataset.table] = table;
}

const place = (name) => document.querySelector(`[data-table="${name}"]`);

// Tabs as the ARIA practices describe them: arrows go from tab to tab.
function prepareTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  async function open(tab) {
    for (const each of tabs) {
      each.setAttribute("aria-selected", each === tab);
      each.tabIndex = each === tab ? 0 : -1;
      element(each.getAttribute("aria-controls")).hidden = each !== tab;
    }
    const name = tab.dataset.shows;
    if (!shownTables[name]) await drawTable(place(name));
  }
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: -1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      tabs.at(to % tabs.length).focus();
      open(tabs.at(to % tabs.length));
    });
  }
  return open;
}
