// A file chosen in <input type="file" data-fill="id"> takes the place of the text in the field of that id. What needs this script is hidden
// until it runs.

export function takeFiles(root) {
  for (const group of root.querySelectorAll("[data-needs-script]")) group.hidden = false;
  for (const input of root.querySelectorAll("input[type=file][data-fill]")) {
    input.addEventListener("change", async () => {
      const field = document.getElementById(input.dataset.fill);
      if (!field || !input.files.length) return;
      field.value = await input.files[0].text();
      field.focus();
    });
  }
}
