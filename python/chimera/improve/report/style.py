"""Style sheet and script of the report page."""

from __future__ import annotations

from typing import Final

__all__ = ["SCRIPT", "STYLE"]

STYLE: Final = """
:root{--bg:#f6f7f9;--card:#fff;--ink:#16202c;--dim:#627084;--rule:#e3e8ee;--accent:#2563eb;
--good:#0f8a5f;--bad:#c8452f;--warn:#a16207;--goodbg:#e4f6ee;--warnbg:#fdf4d8;--badbg:#fdebe7;
--k:#8b2fc9;--s:#0f766e;--n:#b45309;--f:#1d4ed8;--b:#0e7490;--c:#7a8797;color-scheme:light}
:root[data-theme=dark]{--bg:#0e131a;--card:#161d27;--ink:#e6ebf2;--dim:#93a1b3;--rule:#273140;
--accent:#6ea8fe;--good:#3ecf94;--bad:#ff8a73;--warn:#e8c352;--goodbg:#10352a;--warnbg:#3a3113;
--badbg:#43211b;--k:#cf9bff;--s:#5fd4c4;--n:#f0b35e;--f:#8ab4ff;--b:#63cfe3;--c:#7c8a9c;
color-scheme:dark}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.55 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-font-smoothing:antialiased}
main{max-width:1120px;margin:0 auto;padding:36px 24px 56px}
header{display:flex;align-items:flex-start;gap:16px;margin-bottom:22px}
header>div{flex:1}
h1{font-size:27px;line-height:1.25;margin:0 0 6px;letter-spacing:-.015em}
h2{font-size:16.5px;margin:0 0 4px;letter-spacing:-.005em}
section{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:20px 22px;
margin-top:18px}
p{margin:0 0 12px}.dim,.sub{color:var(--dim)}.sub{font-size:13.5px;margin-bottom:14px}
.badge{display:inline-block;border-radius:99px;padding:2px 11px;font-size:13px;font-weight:600}
.adopted{background:var(--goodbg);color:var(--good)}.not_proven{background:var(--warnbg);
color:var(--warn)}
button{font:inherit;font-size:13px;color:var(--dim);background:var(--card);border:1px solid
var(--rule);border-radius:8px;padding:5px 12px;cursor:pointer}button:hover{color:var(--ink)}
button[aria-pressed=true]{color:var(--accent);border-color:var(--accent)}
.cards{display:grid;grid-template-columns:repeat(4,1fr);gap:14px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:15px 18px}
.card b{display:block;font-size:25px;line-height:1.3;font-weight:650;letter-spacing:-.02em;
font-variant-numeric:tabular-nums}.card span{font-size:13px;color:var(--dim)}
.card.main b{color:var(--good)}.card.flat b{color:var(--warn)}
.two{display:grid;grid-template-columns:1fr 1fr;gap:18px}
.two section,.two>div{min-width:0}
.head{display:flex;justify-content:space-between;gap:12px;align-items:flex-start}
.tabs{display:flex;gap:6px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:12px;fill:var(--dim);font-variant-numeric:tabular-nums}
.two svg text,.two svg .tick{font-size:12.5px}
.mid{text-anchor:middle}.end{text-anchor:end}svg .note{fill:var(--ink)}
.grid{stroke:var(--rule)}.axis{stroke:var(--dim);opacity:.55}
.base{stroke:var(--dim);stroke-dasharray:5 4;stroke-width:1.3}
.best{fill:none;stroke:var(--accent);stroke-width:2.2;stroke-linejoin:round}
.area{fill:var(--accent);opacity:.09}.dot{fill:var(--accent);stroke:var(--card);stroke-width:1.2}
.up{fill:var(--good);opacity:.8}.down{fill:var(--bad);opacity:.85}.even{fill:var(--dim)}
.band{fill:var(--accent);opacity:.13}line.mean{stroke:var(--accent);stroke-width:3}
circle.mean{fill:var(--accent);stroke:var(--card);stroke-width:1.5}
code,pre,.diff,.mono{font-family:ui-monospace,"SF Mono","Cascadia Code","JetBrains Mono",Menlo,
Consolas,"DejaVu Sans Mono",monospace;font-size:13px}
.diff{display:grid;grid-template-columns:auto minmax(0,1fr) auto minmax(0,1fr);line-height:1.6;
border:1px solid var(--rule);border-radius:9px;overflow:hidden}
.diff .no{padding:0 9px;text-align:right;color:var(--dim);opacity:.75;user-select:none;
border-right:1px solid var(--rule)}
.diff .line{padding:0 10px;white-space:pre-wrap;overflow-wrap:anywhere;min-height:1.6em}
.diff .no:nth-child(4n+3){border-left:1px solid var(--rule)}
.diff .del{background:var(--badbg)}.diff .add{background:var(--goodbg)}
.diff .gap{background:repeating-linear-gradient(-45deg,transparent 0 6px,var(--rule) 6px 7px);
opacity:.6}.diff .skip{grid-column:1/-1;text-align:center;color:var(--dim);background:var(--bg)}
.titles{display:grid;grid-template-columns:1fr 1fr;font-size:13px;color:var(--dim);
margin-bottom:6px}
i{font-style:normal}.k{color:var(--k)}.s{color:var(--s)}.n{color:var(--n)}.f{color:var(--f);
font-weight:600}.b{color:var(--b)}.c{color:var(--c);font-style:italic}
ol.line{list-style:none;margin:0;padding:0}
ol.line li{position:relative;padding:0 0 13px 26px}
ol.line li::before{content:"";position:absolute;left:5px;top:7px;width:9px;height:9px;
border-radius:50%;background:var(--accent)}
ol.line li:not(:last-child)::after{content:"";position:absolute;left:9px;top:18px;bottom:-5px;
width:1px;background:var(--rule)}
ol.line li:last-child::before{background:var(--good);box-shadow:0 0 0 4px var(--goodbg)}
.step{display:grid;grid-template-columns:112px minmax(110px,1fr) 110px 150px 90px;gap:12px;
align-items:center;font-variant-numeric:tabular-nums}
.bar{height:7px;border-radius:9px;background:var(--rule);overflow:hidden}
.bar u{display:block;height:100%;background:var(--good);border-radius:9px}
.num{text-align:right}details summary{cursor:pointer;color:var(--dim);font-size:13px}
details pre{margin:8px 0 0;padding:12px 14px;background:var(--bg);border:1px solid var(--rule);
border-radius:9px;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 10px 6px 0;border-bottom:1px solid var(--rule);
vertical-align:top}tr:last-child td{border-bottom:0}th{font-weight:500;color:var(--dim);
font-size:13px}td.num,th.num{text-align:right;padding-right:0;padding-left:14px}
.hash{overflow-wrap:anywhere;font-size:12.5px}
footer{color:var(--dim);font-size:13px;margin-top:22px}
@media(max-width:860px){.cards{grid-template-columns:1fr 1fr}.two{grid-template-columns:1fr}
.step{grid-template-columns:70px 1fr 90px}
.step .bar,.step .hide{display:none}}
@media print{button{display:none}section,.card{break-inside:avoid}}
"""

SCRIPT: Final = """
(function(){var root=document.documentElement;
var dark=window.matchMedia&&matchMedia('(prefers-color-scheme: dark)').matches;
root.dataset.theme=dark?'dark':'light';
document.addEventListener('click',function(event){var it=event.target;
if(it.id==='theme'){root.dataset.theme=root.dataset.theme==='dark'?'light':'dark';}
if(it.dataset&&it.dataset.tab){document.querySelectorAll('[data-tab]').forEach(function(one){
one.setAttribute('aria-pressed',one===it);});
document.querySelectorAll('[data-pane]').forEach(function(one){
one.hidden=one.dataset.pane!==it.dataset.tab;});}});})();
"""
