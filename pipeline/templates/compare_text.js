// A click puts both ends of a match side by side; without this, the links alone lead there.
addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  const place = link && document.getElementById(link.hash.slice(1));
  if (!place || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  history.replaceState(null, "", link.hash);
  document.querySelectorAll(".shown").forEach((old) => old.classList.remove("shown"));
  const own = link.closest(".pane");
  const pane = place.closest(".pane");
  if (!own) pane.scrollIntoView({ block: "nearest" });
  const from = own ? link.getClientRects()[0].top - own.getBoundingClientRect().top : pane.clientHeight / 4;
  pane.scrollTop += place.getBoundingClientRect().top - pane.getBoundingClientRect().top - from;
  document.querySelectorAll(`a[href='#${link.hash.slice(1).replace(/^./, (side) => side === "o" ? "w" : "o")}'], a[href='${link.hash}']`).forEach((end) => end.closest(".pane") && end.classList.add("shown"));
});
