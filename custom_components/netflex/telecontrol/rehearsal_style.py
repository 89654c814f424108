"""How a rehearsal's report looks, on a screen and on paper."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light}
body{margin:0;background:#f3f4f6;color:#111827;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:980px;margin:0 auto;padding:32px;background:#fff}
h1{font-size:30px;margin:0}
h2{font-size:20px;margin:36px 0 8px;border-bottom:2px solid #111827;padding-bottom:4px}
h3{font-size:17px;margin:24px 0 4px}
p{margin:6px 0}
a{color:inherit}
.kind,.when{color:#4b5563;margin:0}
.verdict{display:flex;justify-content:space-between;gap:16px;flex-wrap:wrap;
margin:18px 0 12px;padding:12px 16px;border-radius:6px;font-size:18px;color:#fff}
.verdict.good{background:#15803d}
.verdict.bad{background:#b91c1c}
.mode{padding:10px 14px;background:#eef2ff;border-left:4px solid #4338ca}
.warn{margin-top:20px;padding:2px 16px 10px;background:#fffbeb;
border-left:4px solid #b45309}
.warn h2{border:0;margin:10px 0 0;font-size:17px}
.warn ul{margin:4px 0;padding-left:20px}
table{width:100%;border-collapse:collapse;margin:10px 0}
th,td{padding:5px 8px;border-bottom:1px solid #e5e7eb;text-align:left;
vertical-align:top}
thead th{border-bottom:1px solid #6b7280;font-size:13px;color:#374151}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.steps td{font-size:14px}
.steps td:nth-child(1){width:20%}
.steps td:nth-child(2){width:25%}
.at{display:block;color:#6b7280;font-size:12px}
.notes{margin:4px 0 0;padding-left:16px;color:#4b5563;font-size:13px}
.yes{color:#15803d;white-space:nowrap}
.no{color:#b91c1c;font-weight:700;white-space:nowrap}
.open{color:#6b7280;white-space:nowrap}
.group th{padding-top:14px;background:#f9fafb}
.facts th{width:32%;font-weight:500;color:#374151}
.hash{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;
word-break:break-all}
.points td{font-size:13px;padding:2px 8px}
figure{margin:10px 0}
figure svg{width:100%;height:auto}
.sign div{display:flex;gap:24px;margin-top:44px}
.sign span{flex:2;border-top:1px solid #111827;padding-top:2px;color:#4b5563}
.sign span+span{flex:1}
@media print{
@page{size:A4;margin:14mm}
body{background:#fff;font-size:11px}
main{max-width:none;padding:0}
.verdict,.mode,.warn{-webkit-print-color-adjust:exact;print-color-adjust:exact}
tr,figure,.sign{break-inside:avoid}
h2,h3{break-after:avoid}
.steps td,.points td,.notes{font-size:10px}
}
"""
