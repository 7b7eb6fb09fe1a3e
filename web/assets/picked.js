// The bar under a list says how many rows are picked.
for (const form of document.querySelectorAll('form[data-picked]')) {
  const words = form.querySelector('[data-picked-words]');
  const tell = () => {
    const count = form.querySelectorAll('tbody :checked').length;
    words.textContent = count === 1 ? '1 person' : `${count} people`;
  };
  form.addEventListener('change', tell);
  addEventListener('pageshow', tell);
}
