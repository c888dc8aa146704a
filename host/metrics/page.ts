/** What is served at `/`; its scripts are in `view/`. */

export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandpoll</title>
<link rel="stylesheet" href="style.css">
<script type="module" src="view/page.js"></script>
</head>
<body>
<h1>Sandpoll <output id="state" role="status"></output></h1>
<div id="table"><table>
<thead><tr id="head"></tr></thead>
<tbody id="rows"></tbody>
</table></div>
<main id="plots"></main>
</body>
</html>
`;

export const STYLE = `:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem; }
h1 { font-size: 1.3rem; }
#state { font-weight: normal; opacity: 0.7; }
#table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.8rem; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { font-weight: normal; font-size: 0.8rem; opacity: 0.7; }
td:first-child { font-weight: bold; }
#plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 1rem 0 0; }
figcaption { font-size: 0.85rem; opacity: 0.8; }
svg { width: 100%; height: 6rem; border-bottom: 1px solid #8886; }
polyline { fill: none; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
`;
