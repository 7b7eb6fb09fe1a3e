// A button copies the text of the part that it names. Without this script, or where the browser
// does not let pages copy, the button stays hidden and the text can be selected.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll('button[data-copy]')) {
    const said = button.querySelector('[data-said]');
    const words = said.textContent;
    button.addEventListener('click', async () => {
      const part = document.getElementById(button.dataset.copy);
      const text = 'plain' in button.dataset ? part.textContent.trim() : part.textContent.replace(/\s+/g, '');
      try {
        await navigator.clipboard.writeText(text);
        said.textContent = 'Copied';
      } catch {
        said.textContent = 'Not copied';
      }
      setTimeout(() => { said.textContent = words; }, 2000);
    });
    button.hidden = false;
  }
}
