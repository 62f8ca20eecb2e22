// Keeps <main data-refresh="seconds"> up to date while it is looked at.

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format;

/** The way from an element down to one inside it, as places among the children. */
function pathTo(root, element) {
  const path = [];
  for (let at = element; at !== root; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
  return path;
}

/** What takes the place of an element: the one with its id, or that reads and leads the same, or that stands where it stood. */
function successor(main, element, path) {
  const given = element.id && document.getElementById(element.id);
  if (given) return given;
  const alike = (other) => other.textContent === element.textContent && other.getAttribute("href") === element.getAttribute("href") && other.name === element.name;
  return [...main.querySelectorAll(element.localName)].find(alike) ?? path.reduce((at, n) => at?.children[n], main);
}

/** Whether someone has begun to fill in a form: what was typed must not be taken away. */
function isBeingFilledIn(main) {
  return [...main.querySelectorAll("input, select, textarea")].some((field) =>
    field.tagName === "SELECT"
      ? [...field.options].some((option) => option.selected !== option.defaultSelected) && [...field.options].some((option) => option.defaultSelected)
      : field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
}

/** Puts the children of a newer <main> in place; focus, scroll and what was unfolded stay where they were. */
function replace(main, newer, place) {
  const focused = document.activeElement && main.contains(document.activeElement) && document.activeElement !== main ? document.activeElement : null;
  const path = focused && pathTo(main, focused);
  const open = [...main.querySelectorAll("details")].map((details) => details.open);
  const scrolled = [...main.querySelectorAll(".ims-scroll")].map((box) => box.scrollLeft);
  const [left, top] = [scrollX, scrollY];
  // Charts keep their height until they are drawn, so that nothing below them jumps.
  const heights = [...main.querySelectorAll("figure[data-chart]")].map((figure) => figure.offsetHeight);

  main.replaceChildren(...newer.childNodes);
  main.dataset.version = newer.dataset.version ?? "";
  place();

  [...main.querySelectorAll("details")].forEach((details, n) => { if (open[n] !== undefined) details.open = open[n]; });
  const figures = [...main.querySelectorAll("figure[data-chart]")];
  figures.forEach((figure, n) => { if (heights[n]) figure.style.minHeight = `${heights[n]}px`; });
  if (focused) {
    const same = successor(main, focused, path);
    if (same?.localName === focused.localName) same.focus({ preventScroll: true });
  }
  [...main.querySelectorAll(".ims-scroll")].forEach((box, n) => { box.scrollLeft = scrolled[n] ?? 0; });
  scrollTo({ left, top, behavior: "instant" });
  setTimeout(() => figures.forEach((figure) => { figure.style.minHeight = ""; }), 1000);
}

/** The text that says how old the page is; it is put back after each replacement. */
function notice(main) {
  const text = document.createElement("p");
  text.className = "ims-updated";
  const failures = document.createElement("p");
  failures.className = "nhsuk-u-visually-hidden";
  failures.setAttribute("role", "status");
  main.after(failures);
  const place = () => {
    const given = main.querySelector("[data-updated]");
    if (given) given.replaceChildren(text);
    else if (main.querySelector("h1")) main.querySelector("h1").after(text);
    else main.prepend(text);
  };
  place();
  return {
    place,
    fresh(at, seconds) {
      text.classList.remove("ims-updated--failed");
      text.textContent = `Updated at ${time(at)}. This page updates itself every ${seconds} seconds.`;
      failures.textContent = "";
    },
    failed(since, why) {
      text.classList.add("ims-updated--failed");
      text.textContent = `${why} What you see is from ${time(since)}.`;
      // Read out once, not at each attempt.
      if (failures.textContent !== text.textContent) failures.textContent = text.textContent;
    },
  };
}

/** Starts to keep the page's <main> up to date, if it asks for it; `ready` is called with what was put in place. */
export function keepFresh(ready) {
  const main = document.querySelector("main[data-refresh]");
  const seconds = Number(main?.dataset.refresh);
  if (!(seconds > 0)) return;
  let [since, asked, busy] = [new Date(), Date.now(), false];
  const said = notice(main);
  said.fresh(since, seconds);

  async function refresh() {
    if (document.hidden || busy) return;
    [busy, asked] = [true, Date.now()];
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(15_000) });
      if (response.redirected && new URL(response.url).pathname !== location.pathname)
        return said.failed(since, "You have been signed out. Reload the page to sign in again.");
      if (response.status === 401 || response.status === 403)
        return said.failed(since, "You may no longer see this page. Reload it to sign in again.");
      if (!response.ok) throw new Error(String(response.status));
      const newer = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("main[data-refresh]");
      if (!newer) throw new Error("no such page");
      if (newer.dataset.version !== main.dataset.version) {
        if (isBeingFilledIn(main)) return said.failed(since, "There are newer figures. They are shown when the form you are filling in is sent.");
        replace(main, newer, said.place);
        ready(main);
      }
      since = new Date();
      said.fresh(since, seconds);
    } catch {
      said.failed(since, `The page could not be updated. It tries again every ${seconds} seconds.`);
    } finally {
      busy = false;
    }
  }

  setInterval(refresh, seconds * 1000);
  document.addEventListener("visibilitychange", () => { if (Date.now() - asked >= seconds * 1000) refresh(); });
}
