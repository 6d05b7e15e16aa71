// Sorting: every head of the table becomes a button. Without this script the table is as the models were given.
for (const [column, head] of document.querySelectorAll("#table thead th").entries()) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.children) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = document.querySelector("#table tbody");
    const key = (row) => {
      const cell = row.children[column];
      if (!cell.classList.contains("number")) return cell.textContent.trim().toLowerCase();
      return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
    };
    const order = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
    const rows = [...body.rows].sort((one, other) => {
      const a = key(one), b = key(other);
      if (a === null || b === null) return (a === null) - (b === null);  // what was not measured stays last
      return up ? order(a, b) : order(b, a);
    });
    body.replaceChildren(...rows);
  });
}
