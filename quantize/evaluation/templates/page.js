// Sorting: every head of a table becomes a button. Without this script the tables are in the order of the command line.
for (const table of document.querySelectorAll("table.sorted")) {
  for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => sort(table, column, head));
  }
}

function sort(table, column, head) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentElement.children) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = (row) => {
    const cell = row.cells[column];
    if (!cell.classList.contains("number")) return cell.textContent.trim().toLowerCase();
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const order = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((one, other) => {
    const a = key(one), b = key(other);
    if (a === null || b === null) return (a === null) - (b === null);  // what was not measured stays last
    return up ? order(a, b) : order(b, a);
  });
  body.replaceChildren(...rows);
}
