// The way back from a run leads to the list as it was when the run was chosen in it. The server knows that of the first
// page only, by where the browser says it comes from; this keeps it for the pages that follow in the tab.
import texts from "./texts.js";

const KEY = "list";

const crumb = document.querySelector(".crumbs a[data-list]");
const isList = document.body.dataset.here === "runs";
if (isList) keep(location.search);
if (crumb) {
  const query = new URL(crumb.href).search;
  if (query) keep(query);
  else lead(sessionStorage.getItem(KEY));
}

function keep(search) {
  const query = new URLSearchParams(search);
  query.delete("after");
  sessionStorage.setItem(KEY, query.size ? `?${query}` : "");
}

function lead(query) {
  if (!query?.startsWith("?")) return;
  crumb.setAttribute("href", crumb.getAttribute("href") + query);
  crumb.textContent = texts.filtered;
}
