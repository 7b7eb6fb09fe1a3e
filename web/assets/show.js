// A button beside a password shows what is typed. Without this script the button stays hidden.
for (const button of document.querySelectorAll('button[data-show]')) {
  const field = document.getElementById(button.dataset.show);
  const set = (shown) => {
    field.type = shown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(shown));
  };
  button.addEventListener('click', () => {
    set(field.type === 'password');
    field.focus();
  });
  // Never sent as plain text: browsers remember text fields and offer them again.
  field.form?.addEventListener('submit', () => set(false));
  button.hidden = false;
}
