/* A line of code, and a button that copies it. */

function render({ model, el }) {
  const code = document.createElement("code");
  const button = Object.assign(document.createElement("button"), {
    type: "button",
    className: "containeriter-small",
    textContent: "Copy",
    title: "Copy the line",
  });
  button.setAttribute("aria-label", "Copy the line");
  const told = Object.assign(document.createElement("span"), { className: "containeriter-told" });
  told.setAttribute("role", "status");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(model.get("text"));
      told.textContent = "Copied.";
    } catch {
      /* Pages without TLS have no clipboard. */
      getSelection().selectAllChildren(code);
      told.textContent = "Selected: copy it from there.";
    }
    setTimeout(() => (told.textContent = ""), 4000);
  };
  const draw = () => (code.textContent = model.get("text"));
  el.classList.add("containeriter-line");
  el.append(code, button, told);
  model.on("change:text", draw);
  draw();
  return () => model.off("change:text", draw);
}

export default { render };
