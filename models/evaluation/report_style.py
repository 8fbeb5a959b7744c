"""The report's style sheet: one column on a phone, two on a desk, light or dark as the reader has it."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--ground:#fff;--card:#f6f8fa;
--ours:#0550ae;--theirs:#b35900;--good:#116329;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#30363d;--ground:#0d1117;--card:#161b22;
--ours:#6cb6ff;--theirs:#f0a35e;--good:#7ee787;--bad:#ff9a92}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:16px}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0}
h2{font-size:1.25rem;margin:2rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1rem 0 .25rem}
p,li{max-width:75ch;overflow-wrap:anywhere}
ul{padding-left:1.2rem;margin:.5rem 0}
.keys{list-style:none;padding:0}
.keys li{display:flex;gap:.5rem;align-items:baseline}
.key{display:inline-block;flex:none;width:.7em;height:.7em;border-radius:50%;margin-right:.35em}
.key.s0{background:var(--ours)}
.key.s1{background:var(--theirs);border-radius:1px}
.note{border-left:4px solid var(--theirs);padding-left:.75rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th[scope=row]{font-weight:400}
th small{display:block}
section{display:flow-root}
figure{margin:1rem 0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px}
figcaption{font-weight:600;margin-bottom:.5rem}
svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}
.axis{stroke:var(--line);fill:none}
.tick{fill:var(--soft)}
.line{fill:none;stroke-width:2.2}
.dash{stroke-dasharray:5 4}
.axis.dash{stroke:var(--soft)}
.line.s0{stroke:var(--ours)}
.line.s1{stroke:var(--theirs)}
.dot.s0{fill:var(--ours)}
.dot.s1{fill:var(--theirs)}
summary{cursor:pointer;font-weight:600;padding:.6rem 0;min-height:44px}
.sheet{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,210px),1fr));gap:12px}
.sheet li{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px}
.sheet img{display:block;width:100%;height:96px;object-fit:contain;background:#000;border-radius:4px}
dl{display:grid;grid-template-columns:auto 1fr;gap:0 .6rem;margin:.5rem 0}
dt{color:var(--soft)}
dd{margin:0;font-family:ui-monospace,monospace}
dd small{display:block}
.right{color:var(--good)}
.wrong{color:var(--bad)}
small{color:var(--soft);overflow-wrap:anywhere}
@media(min-width:900px){
section{display:grid;grid-template-columns:1fr 1fr;column-gap:16px;align-items:start}
section>:not(figure){grid-column:1/-1}
}
@media(max-width:480px){svg{font-size:15px}}
"""
