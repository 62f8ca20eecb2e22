// What the console's pages gain from scripts: charts beside their tables, and pages that keep themselves up to date. Every page is
// complete without it.

import { showCharts } from "./charts/figure.js";
import { takeFiles } from "./files.js";
import { keepFresh } from "./refresh.js";

showCharts(document);
takeFiles(document);
keepFresh(showCharts);
