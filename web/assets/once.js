// A form is sent once, however often its button is pressed. After a while it may be sent again:
// the connection may have been lost.
const WHILE = 10_000;
for (const form of document.querySelectorAll('form[method="post"]')) {
  let sent = -Infinity;
  form.addEventListener('submit', (event) => {
    if (event.timeStamp - sent < WHILE) event.preventDefault();
    else sent = event.timeStamp;
  });
  // The way back shows the same page again, out of the browser's memory.
  addEventListener('pageshow', () => { sent = -Infinity; });
}
