// Shows theorems, proofs, exercises and labels of equations in JupyterLab as text, not as MyST's
// source. `make lab` loads it. jupyterlab-myst would do more, but its newest release (2.7.0) is for
// JupyterLabs whose @jupyter/ydoc is 3; 4.6 has 4, and beside it no Markdown cell is rendered.
(() => {
  const capital = (word) => word[0].toUpperCase() + word.slice(1);
  const TITLES = { "solution-start": "Solution", admonition: "" };

  // What an opening fence becomes, and what its closing one.
  const opened = (kind, title, dropdown) => {
    if (kind === "solution-end") return ["", ""];
    if (dropdown && kind === "admonition") return [`<details><summary>${title}</summary>\n`, "\n</details>\n"];
    const name = TITLES[kind] ?? capital(kind);
    if (kind === "solution-start") return [`**${name}**`, ""];
    const said = name && title ? `${name} (${title}).` : `${name || title}.`;
    return [`**${said}**\n`, ""];
  };

  // Markdown without colon fences, roles and labels. Formulas have been taken out before.
  const readable = (text) => {
    const out = [], closing = [];
    let code = false, options = false;
    for (const line of text.split("\n")) {
      if (/^\s*(```|~~~)/.test(line)) code = !code;
      const fence = !code && /^(:{3,})\{([\w:-]+)\}\s*(.*)$/.exec(line);
      if (fence) {
        closing.push({ kind: fence[2].replace(/^prf:/, ""), title: fence[3], at: out.length, dropdown: false });
        out.push("");
        options = true;
        continue;
      }
      const option = options && /^:([\w-]+):\s*(.*)$/.exec(line);
      if (option) {
        if (option[1] === "class" && option[2].includes("dropdown")) closing.at(-1).dropdown = true;
        continue;
      }
      options = false;
      if (!code && closing.length && /^:{3,}\s*$/.test(line)) {
        const { kind, title, at, dropdown } = closing.pop();
        const [first, last] = opened(kind, title, dropdown);
        out[at] = first;
        out.push(last);
        continue;
      }
      out.push(code ? line : line
        .replace(/^(.*@@\d+@@)\s*\(eq-[\w-]+\)\s*$/, "$1")
        .replace(/\{cite:[pt]\}`([^`]+)`/g, "[$1]")
        .replace(/\{[\w:-]+\}`([^`<]+?)(?:\s*<[^`>]*>)?`/g, "$1"));
    }
    return out.join("\n");
  };

  // A folded text shows its first line, which is often the whole solution.
  const style = document.createElement("style");
  style.textContent = `
    .jp-MarkdownCell .jp-PlaceholderText { font-size: 0; }
    .jp-MarkdownCell .jp-PlaceholderText::after { content: "Text, folded "; font-size: var(--jp-code-font-size); }`;

  let shared = null;
  const token = async (packageName, name) => {
    const versions = Object.values(shared[packageName]);
    return (await versions[0].get())()[name];
  };
  const plugin = async () => ({
    id: "book-markdown:plugin",
    autoStart: true,
    requires: [await token("@jupyterlab/rendermime", "IMarkdownParser")],
    activate: (app, parser) => {
      document.head.append(style);
      const plain = parser.render.bind(parser);
      parser.render = (content, ...more) => plain(readable(content), ...more);
    },
  });

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB["book-markdown"] = {
    init: (scope) => { shared = scope; },
    get: async () => {
      const found = await plugin();
      return () => found;
    },
  };
})();
