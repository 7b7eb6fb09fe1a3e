// Menus that are a `details` close like menus: by Escape, and by a click elsewhere.
const menus = document.querySelectorAll('details.menu');
const close = (except) => {
  for (const menu of menus) if (menu !== except) menu.open = false;
};
document.addEventListener('click', (event) => close(event.target.closest?.('details.menu')));
document.addEventListener('keydown', (event) => {
  const open = document.querySelector('details.menu[open]');
  if (event.key !== 'Escape' || !open) return;
  open.open = false;
  open.querySelector('summary').focus();
});
