// The pictures on buttons: lines in a square of 24.

const LINES = {
  select: "m5 3 6 16 2.500-6.500L20 10Z",
  lasso: "M7 20c-2-1-2-4 0-5M12 4c5 0 9 2.200 9 5.500S17 15 12 15c-2 0-4-.300-5-1-2.500-1-4-2.500-4-4.500C3 6.200 7 4 12 4Z",
  hand: "M12 3v18M3 12h18M12 3 9.500 5.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
  pen: "m4 20 1-5L16.500 3.500a2.100 2.100 0 0 1 3 0l1 1a2.100 2.100 0 0 1 0 3L9 19Zm10.500-14.500 4 4",
  highlighter: "m9 15-3-3 9-8.500a2 2 0 0 1 2.800 0l2.700 2.700a2 2 0 0 1 0 2.800L12 18l-3-3Zm0 0-3.500 4.500M3 21h10",
  eraser: "m8 20-4.500-4.500a2 2 0 0 1 0-2.800L13 3.200a2 2 0 0 1 2.800 0l5 5a2 2 0 0 1 0 2.800L12 20Zm12 0H8m0-11.500 7.500 7.500",
  cutter: "M3 12c3-4 5 0 7-1M14 12c2-1 4 3 7-1M9.500 4.500l5 15M14.500 4.500l-5 15",
  line: "M4 20 20 4",
  arrow: "M4 20 20 4M20 4h-8M20 4v8",
  rectangle: "M4 6h16v12H4Z",
  ellipse: "M3 12a9 7 0 1 0 18 0 9 7 0 1 0-18 0",
  text: "M5 7V5h14v2M12 5v14M9 19h6",
  note: "M4 4h16v11l-5 5H4ZM20 15h-5v5",
  image: "M4 5h16v14H4Zm0 11 5-5 4 4 3-3 4 4M15.500 9.500h.010",
  laser: "M4 20 13 11M15 5V2M19 9h3M17.500 6.500l2-2M12 7l-1.500-1.500M17 12l1.500 1.500",
  undo: "M9 4.500 4 9.500l5 5M4.500 9.500H14a6 6 0 0 1 0 10.500H9",
  redo: "m15 4.500 5 5-5 5M19.500 9.500H10a6 6 0 0 0 0 10.500h5",
  zoomIn: "M6 12h12M12 6v12",
  zoomOut: "M6 12h12",
  menu: "M4 7h16M4 12h16M4 17h16",
  style: "M12 3a9 9 0 1 0 0 18c2 0 1.500-2 1-3s0-2.500 1.500-2.500H18a3 3 0 0 0 3-3C21 7 17 3 12 3ZM7.500 12h.010M9.500 7.500h.010M14.500 7.500h.010",
  copy: "M8 5H5v16h14V5h-3M9 3h6v4H9Z",
  duplicate: "M9 9h11v11H9ZM5 15H4V4h11v1M14.500 12v5M12 14.500h5",
  delete: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  front: "M4 4h10v10H4ZM14 10h6v10H10v-6",
  back: "M10 4h10v10h-6M4 10h10v10H4Z",
  forward: "M12 20V5M6 11l6-6 6 6",
  backward: "M12 4v15M6 13l6 6 6-6",
  group: "M4 4h3M4 4v3M20 4h-3M20 4v3M4 20h3M4 20v-3M20 20h-3M20 20v-3M8 8h5v5H8ZM12 12h4v4h-4Z",
  ungroup: "M4 4h7v7H4ZM13 13h7v7h-7Z",
  lock: "M6 11h12v9H6ZM9 11V8a3 3 0 0 1 6 0v3",
  left: "M4 3v18M8 6h11v4H8ZM8 14h7v4H8Z",
  centre: "M12 3v18M6 6h12v4H6ZM8 14h8v4H8Z",
  right: "M20 3v18M5 6h11v4H5ZM9 14h7v4H9Z",
  top: "M3 4h18M6 8h4v11H6ZM14 8h4v7h-4Z",
  middle: "M3 12h18M6 6h4v12H6ZM14 8h4v8h-4Z",
  bottom: "M3 20h18M6 5h4v11H6ZM14 9h4v7h-4Z",
  spreadAcross: "M4 4v16M20 4v16M9 8h6v8H9Z",
  spreadDown: "M4 4h16M4 20h16M8 9h8v6H8Z",
};

const SVG = "http://www.w3.org/2000/svg";

/** The picture of a name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", LINES[name]);
  svg.append(path);
  return svg;
}
