// A form is sent once, however often its button is pressed.
for (const form of document.querySelectorAll('form[method="post"]')) {
  let sent = false;
  form.addEventListener('submit', (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  // The way back shows the same page again, out of the browser's memory.
  addEventListener('pageshow', () => { sent = false; });
}
