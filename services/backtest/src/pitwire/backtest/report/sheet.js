"use strict";
(() => {
  const sheets = JSON.parse(document.getElementById("data").textContent);
  const root = document.getElementById("sheet");
  const css = getComputedStyle(document.documentElement);
  const ink = css.getPropertyValue("--ink").trim(), line = css.getPropertyValue("--line").trim();
  const good = `rgb(${css.getPropertyValue("--good").trim()})`, bad = `rgb(${css.getPropertyValue("--bad").trim()})`;
  const colours = ["#2f6fdb", "#d9822b", "#7a4fc9", "#1f9e89"];
  const charts = LightweightCharts;

  const add = (parent, tag, text = "", kind = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return parent.appendChild(made);
  };
  const number = (value, digits = 2) =>
    value === null || value === undefined ? "–" : Number(value).toLocaleString("en", { maximumFractionDigits: digits });
  const date = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  const signed = (cell, value) => { cell.className = value > 0 ? "good" : value < 0 ? "bad" : ""; };
  const unique = (points) => points.filter((point, place) => !place || point[0] > points[place - 1][0]);

  const chart = (parent, kind) => {
    const box = add(parent, "div", "", `chart ${kind}`);
    return charts.createChart(box, {
      autoSize: true,
      layout: { background: { color: "transparent" }, textColor: ink, attributionLogo: true },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line, timeVisible: true, minBarSpacing: 0.02 },
    });
  };
  const curve = (on, points, options) => {
    const series = on.addSeries(options.topColor ? charts.AreaSeries : charts.LineSeries, { lineWidth: 2, ...options });
    series.setData(unique(points).map(([time, value]) => ({ time, value })));
    return series;
  };

  const tiles = (parent, sheet) => {
    const shown = [
      ["total_return_percent", "total return %"], ["cagr_percent", "CAGR %"], ["sharpe", "Sharpe"], ["sortino", "Sortino"],
      ["calmar", "Calmar"], ["max_drawdown_percent", "max drawdown %"], ["volatility_percent", "volatility %"],
      ["value_at_risk_percent", "VaR 5 % (day) %"], ["trades", "round trips"], ["win_rate_percent", "win rate %"],
      ["profit_factor", "profit factor"], ["expectancy", "expectancy"], ["exposure_percent", "exposure %"],
      ["fees", "fees"], ["turnover", "turnover"], ["benchmark_return_percent", "buy and hold %"], ["alpha", "alpha"], ["beta", "beta"],
    ];
    const grid = add(parent, "div", "", "tiles");
    for (const [name, label] of shown) {
      const tile = add(grid, "div", "", "tile");
      add(tile, "b", number(sheet.metrics[name]));
      add(tile, "span", label);
    }
  };

  const comparison = (parent) => {
    const names = Object.keys(sheets[0].metrics).filter((name) => typeof sheets[0].metrics[name] === "number");
    table(parent, ["figure", ...sheets.map((sheet) => sheet.title)],
      names.map((name) => [name.replaceAll("_", " "), ...sheets.map((sheet) => number(sheet.metrics[name], 4))]));
  };

  const table = (parent, heads, rows, sign = () => false, digits = () => 2) => {
    const made = add(add(parent, "div", "", "scroll"), "table");
    const head = add(add(made, "thead"), "tr"), body = add(made, "tbody");
    const fill = () => {
      body.replaceChildren();
      for (const row of rows) {
        const drawn = add(body, "tr");
        row.forEach((value, place) => {
          const cell = add(drawn, "td", typeof value === "number" ? number(value, digits(place)) : value);
          if (sign(place)) signed(cell, Number(value));
        });
      }
    };
    heads.forEach((text, place) => {
      let down = false;
      add(head, "th", text, "sorts").addEventListener("click", () => {
        down = !down;
        rows.sort((one, two) => (one[place] < two[place] ? -1 : one[place] > two[place] ? 1 : 0) * (down ? -1 : 1));
        fill();
      });
    });
    fill();
  };

  const monthly = (parent, sheet) => {
    const heads = ["year", ..."Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" "), "year %"];
    const rows = Object.entries(sheet.months).map(([year, values]) =>
      [year, ...Array.from({ length: 12 }, (_, month) => values[String(month + 1)] ?? ""), values.year]);
    table(parent, heads, rows, (place) => place > 0);
  };

  const prices = (parent, sheet) => {
    const choose = add(parent, "select");
    choose.setAttribute("aria-label", "instrument");
    for (const each of sheet.charts) add(choose, "option", each.name);
    const on = chart(parent, "price");
    const series = on.addSeries(charts.CandlestickSeries, {
      upColor: good, downColor: bad, wickUpColor: good, wickDownColor: bad, borderVisible: false,
    });
    const markers = charts.createSeriesMarkers(series, []);
    const show = () => {
      const picked = sheet.charts[choose.selectedIndex];
      const times = picked.candles.map((each) => each[0]);
      const place = (time) => {
        let low = 0, high = times.length;
        while (low < high) { const middle = (low + high) >> 1; if (times[middle] <= time) low = middle + 1; else high = middle; }
        return times[Math.max(low - 1, 0)];
      };
      const lowest = Math.min(...picked.candles.slice(-200).map((each) => each[3]));
      const precision = Math.min(8, Math.max(2, 4 - Math.floor(Math.log10(lowest))));
      series.applyOptions({ priceFormat: { type: "price", precision, minMove: 10 ** -precision } });
      series.setData(picked.candles.map(([time, open, high, low, close]) => ({ time, open, high, low, close })));
      markers.setMarkers(picked.fills.map((fill) => ({
        time: place(fill.time),
        position: fill.side === "BUY" ? "belowBar" : "aboveBar",
        shape: fill.side === "BUY" ? "arrowUp" : "arrowDown",
        color: fill.side === "BUY" ? good : bad,
      })));
      on.timeScale().fitContent();
    };
    choose.addEventListener("change", show);
    show();
  };

  add(root, "h1", sheets.map((sheet) => sheet.title).join(" / "));
  const first = sheets[0];
  add(root, "p", `${first.metrics.start} to ${first.metrics.end}, ${first.metrics.interval} candles of ` +
    `${first.metrics.instruments.join(", ")}; capital ${number(first.metrics.capital)}`);
  if (sheets.length === 1) tiles(root, first); else comparison(root);
  add(root, "h2", "Equity");
  const equity = chart(root, "");
  sheets.forEach((sheet, place) => curve(equity, sheet.equity, { color: colours[place % 4], title: sheet.title }));
  curve(equity, first.benchmark, { color: "#98a2ad", lineWidth: 1, title: "buy and hold" });
  equity.timeScale().fitContent();
  add(root, "h2", "Drawdown, % of the highest equity");
  const fall = chart(root, "low");
  sheets.forEach((sheet, place) => curve(fall, sheet.drawdown, sheets.length > 1
    ? { color: colours[place % 4] } : { lineColor: bad, topColor: "rgba(200,50,60,.05)", bottomColor: "rgba(200,50,60,.35)", invertFilledArea: true }));
  fall.timeScale().fitContent();
  for (const sheet of sheets) {
    const of = sheets.length > 1 ? `: ${sheet.title}` : "";
    add(root, "h2", `Price and fills${of}`);
    prices(root, sheet);
    add(root, "h2", `Returns by month, %${of}`);
    monthly(root, sheet);
    add(root, "h2", `Round trips${of}`);
    if (sheet.trips.length < sheet.trips_in_all) add(root, "p", `the newest ${sheet.trips.length} of ${sheet.trips_in_all}`);
    table(root, ["opened (UTC)", "closed (UTC)", "instrument", "strategy", "quantity", "profit", "%", "fees", "worst", "best"],
      sheet.trips.map((trip) => [date(trip.opened), date(trip.closed), trip.instrument, trip.strategy, Number(trip.quantity),
        trip.pnl, trip.percent, trip.fees, trip.worst, trip.best]), (place) => place === 5 || place === 6, (place) => (place === 4 ? 8 : 2));
  }
  const footer = add(root, "footer", "Charts: ");
  footer.style.marginTop = "24px";
  const link = add(footer, "a", "TradingView Lightweight Charts\u2122");
  link.href = "https://www.tradingview.com/";
  footer.append(", Copyright \u00a9 TradingView, Inc., Apache License 2.0. Profit is after fees; fills follow the assumptions of the run.");
  document.documentElement.dataset.ready = "yes";
})();
