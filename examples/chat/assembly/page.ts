/** The page, which needs nothing but itself. */

export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sandpoll chat</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto }
  #lines { min-height: 12rem; white-space: pre-wrap; overflow-wrap: anywhere }
  form { display: flex; gap: .5rem }
  input { flex: 1; font: inherit; padding: .3rem }
  button { font: inherit }
</style>
<h1>Sandpoll chat</h1>
<div id="lines" role="log" aria-live="polite"></div>
<form>
  <input id="text" aria-label="Name" placeholder="Your name" maxlength="32" autocomplete="off">
  <button>Say</button>
</form>
<script>
  const lines = document.getElementById('lines');
  const text = document.getElementById('text');
  const socket = new WebSocket(location.href.replace(/^http/, 'ws').replace(/[?#].*/, '') + 'chat');
  const show = (line) => {
    const row = document.createElement('div');
    row.textContent = line;
    lines.append(row);
    row.scrollIntoView();
  };
  let named = false;
  socket.onmessage = (event) => show(event.data);
  socket.onclose = (event) => show('* connection closed (' + event.code + ')');
  document.querySelector('form').onsubmit = (event) => {
    event.preventDefault();
    if (text.value.trim() === '' || socket.readyState !== WebSocket.OPEN) return;
    socket.send(text.value);
    text.value = '';
    if (named) return;
    named = true;
    text.placeholder = 'Say something';
    text.ariaLabel = 'Text';
    text.maxLength = 1000;
  };
</script>
</html>
`;
