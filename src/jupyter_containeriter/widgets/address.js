/* Where a deployment answers, seen from this page. */

const EXTENSION = "jupyter-containeriter";
const LOCAL = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;

function pageConfig() {
  try {
    return JSON.parse(document.getElementById("jupyter-config-data").textContent);
  } catch {
    return {}; /* not a page of JupyterLab or Notebook */
  }
}

/** The address that works from here, and whether it goes through the Jupyter server. */
function reach(model) {
  const url = model.get("url");
  const config = pageConfig();
  const installed = (config.federated_extensions ?? []).some(({ name }) => name === EXTENSION);
  const through = installed && new URL(config.baseUrl + model.get("proxy"), location.href).href.replace(/\/$/, "");
  if (LOCAL.test(location.hostname) || !through) {
    return { url, through, proxied: false, remote: !LOCAL.test(location.hostname) };
  }
  return { url: through, through, proxied: true, remote: false };
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A command line through the Jupyter server; it takes a token of Jupyter's, which is for the person to fill in. */
function proxiedCurl(base, example) {
  const words = ["curl", '-H "Authorization: token $JUPYTER_TOKEN"'];
  return example
    ? [...words, "-H 'Content-Type: application/json'", `-d ${quoted(example)}`, `${base}/invocations`].join(" ")
    : [...words, `${base}/v2`].join(" ");
}

function button(label, title, press) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", className: "containeriter-small", textContent: label, title, onclick: press });
  made.setAttribute("aria-label", title);
  return made;
}

function render({ model, el }) {
  const view = Math.random().toString(36).slice(2);
  const waiting = {};
  const say = (kind) => {
    try {
      model.send({ kind, view });
    } catch {
      /* the kernel is gone, and whoever would listen with it */
    }
  };
  const ask = (kind) => new Promise((resolve) => ((waiting[kind] = resolve), say(kind)));
  const heard = (content) => {
    if (content.kind === "roll") say("opened");
    else if (content.view === view) waiting[content.kind]?.(content.text);
  };
  const closed = () => say("closed");

  async function copy(text, told) {
    el.querySelector(".containeriter-by-hand")?.remove();
    try {
      await navigator.clipboard.writeText(text);
      told.textContent = "Copied.";
    } catch {
      /* Pages without TLS have no clipboard: the person copies by hand. */
      const field = Object.assign(document.createElement("textarea"), { value: text, readOnly: true, rows: 3 });
      field.className = "containeriter-by-hand";
      field.setAttribute("aria-label", "To copy");
      el.append(field);
      field.select();
      told.textContent = "Copy it from the field.";
    }
    setTimeout(() => (told.textContent = ""), 4000);
  }

  function draw() {
    el.classList.add("containeriter-address");
    el.replaceChildren();
    if (!model.get("url")) return;
    const { url, through, proxied, remote } = reach(model);
    const told = Object.assign(document.createElement("span"), { className: "containeriter-told" });
    told.setAttribute("role", "status");
    const code = Object.assign(document.createElement("code"), { textContent: url });
    code.title = proxied ? "Through the Jupyter server, with your login" : "On this machine";
    const curl = proxied ? async () => proxiedCurl(url, model.get("example")) : () => ask("curl");
    const docs = through
      ? Object.assign(document.createElement("a"), {
          href: `${through}/docs`, target: "_blank", rel: "noopener noreferrer", textContent: "Docs",
          className: "containeriter-small", title: "Try it on its own page",
        })
      : button("Docs", "Open its own page, in a new tab", async () => open(await ask("docs"), "_blank", "noopener"));
    el.append(
      code,
      button("Copy", "Copy the address", () => copy(url, told)),
      button("Copy curl", "Copy a command line that predicts one row", async () => copy(await curl(), told)),
      docs,
      told,
    );
    if (remote) {
      const hint = "Reachable on the machine of the kernel only; the JupyterLab extension makes it reachable from here.";
      el.append(Object.assign(document.createElement("div"), { className: "containeriter-hint", textContent: hint }));
    }
  }

  model.on("change:url change:proxy change:example", draw);
  model.on("msg:custom", heard);
  addEventListener("pagehide", closed);
  draw();
  say("opened");
  return () => {
    removeEventListener("pagehide", closed);
    model.off("change:url change:proxy change:example", draw);
    model.off("msg:custom", heard);
    closed();
  };
}

export default { render };
