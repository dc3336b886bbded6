// The page's words in English. A value in braces is put in its place; where there are forms for numbers, `count` decides.

export default {
  // Tools
  select: "Select", lasso: "Lasso", hand: "Move the board", pen: "Pen", highlighter: "Highlighter", eraser: "Eraser",
  cutter: "Cutting eraser", line: "Line", arrow: "Arrow", rectangle: "Rectangle", ellipse: "Ellipse", text: "Text",
  note: "Note", image: "Picture", laser: "Laser",
  // Style
  tool: "Tool", colour: "Colour", width: "Width", widthOf: "Width {width}", style: "Style", history: "History", zoom: "Zoom",
  black: "Black", red: "Red", orange: "Orange", green: "Green", blue: "Blue", violet: "Violet", pink: "Pink", grey: "Grey",
  fill: "Fill", "fill.none": "No fill", "fill.light": "Light fill", "fill.solid": "Solid fill",
  dash: "Line", "dash.solid": "Solid line", "dash.dashed": "Dashed line", "dash.dotted": "Dotted line",
  opacity: "Opacity", otherColour: "Other colour", recentColours: "Recent colours", simulates: "Pressure from speed",
  // Commands
  undo: "Undo", redo: "Redo", selectAll: "Select all", duplicate: "Duplicate", delete: "Delete", deselect: "Select nothing",
  group: "Group", ungroup: "Ungroup", lock: "Lock", unlockAll: "Unlock everything", front: "Bring to front",
  forward: "Bring forward", backward: "Send backward", back: "Send to back", nudge: "Move what is selected, or the board",
  left: "Align left", centre: "Centre across", right: "Align right", top: "Align top", middle: "Centre down",
  bottom: "Align bottom", spreadAcross: "Spread across", spreadDown: "Spread down", zoomIn: "Zoom in", zoomOut: "Zoom out",
  zoomToFit: "Show everything", zoomToSelection: "Show what is selected", zoomTo100: "Zoom to 100 %",
  toggleGrid: "Grid, and snap to it", toggleMinimap: "Small map", objects: "List of objects", focusBoard: "Draw with the keyboard",
  help: "Keyboard help", export: "Export…", import: "Import…", copyPicture: "Copy as picture",
  copyPlace: "Copy a link to this place", print: "Print…", wider: "Wider", thinner: "Thinner",
  toolsSection: "Tools", edit: "Edit", arrange: "Arrange", view: "View", file: "Take along",
  // The bar
  home: "Boards", share: "Share", menu: "Menu", peopleHere: "People here",
  peopleNamed: "People here: {names}. Change your name", nobodyYet: "nobody yet", selectionBar: "What is selected",
  besideBoard: "Beside the board", minimap: "Small map of the board", drawingBoard: "Drawing board",
  boardHelp: "Drawing board. Draw with mouse, finger or pen; with the keyboard, arrow keys move a cross, and Enter presses the pen down and lifts it.",
  writeHere: "Text", close: "Close", done: "Done",
  // People
  yourName: "Your name", hereNow: "Here now", you: "{name} (you)", follow: "Follow", stopFollowing: "Stop following",
  following: "Following {name}", cameHere: "{name} is here.", hasGone: "{name} has gone.",
  somebodyDrew: { one: "{name} drew something.", other: "{name} drew {count} things." }, somebody: "Somebody",
  // Status
  connecting: "Connecting…", waiting: "Offline – draw on, your ink is kept",
  waitingToSend: "Offline – draw on, your ink is kept ({count} to send)",
  waitingUnkept: "Offline – keep this page open: this browser keeps nothing",
  blocked: "No connection: something between this page and the server stops WebSocket. Your ink is kept here",
  replaced: "This board is open in another tab", deleted: "This board was deleted", live: "Live", saved: "Saved",
  failing: "Not saved: the server’s disk takes nothing. Keep this page open", saving: "Saving…",
  drawHere: "Draw here instead", beginAnew: "Begin anew",
  // What is said
  linkCopied: "Link copied: whoever opens it draws along.", placeCopied: "Link to this place copied.", shareLink: "Share this link: {link}",
  pictureCopied: "Copied as a picture.", clipboardForbidden: "The browser does not let this page use the clipboard.",
  broughtIn: { one: "One thing brought in.", other: "{count} things brought in." },
  notOurs: "That file is not of Inkwire: there is nothing in it to draw.", tooMany: "That file is too large to bring in.",
  notAPicture: "That is not a picture that can be shown here.", pictureTooLarge: "That picture is too large.",
  pictureFull: "The server keeps no more pictures: others will not see this one.",
  pictureRefusedByServer: "The server did not take that picture: others will not see it.",
  textTooLong: "That text was too long: its end is cut off.", damaged: "That file is damaged: nothing of it was brought in.",
  boardFull: "This board is full: nothing more can be added.", strokeFull: "That stroke was too long.",
  outOfRange: "Nothing can be drawn this far out.", malformed: "Something that was drawn could not be sent and is let go.",
  refused: "The server did not take that: {reason}.", unlocked: { one: "One thing unlocked.", other: "{count} things unlocked." },
  penModeOn: "Pen seen: fingers move the board now. The menu changes that.", penDown: "Pen down", penUp: "Pen up",
  nothingHere: "There is nothing on the board yet.", outdated: "This page is of an earlier version: it is loaded anew.",
  // The offer of lost ink
  lostInk: {
    one: "This board was put back to an earlier state: one thing that you drew is not on it.",
    other: "This board was put back to an earlier state: {count} things that you drew are not on it.",
  },
  putBack: "Put it back", leaveIt: "Leave it",
  // Sheets
  language: "Language", asBrowser: "As the browser says", theme: "Colours", asDevice: "As the device says", light: "Light", dark: "Dark",
  showGrid: "Grid, and snap to it", showMinimap: "Small map", penMode: "Only pens draw, fingers move the board",
  exportWhat: "What", wholeBoard: "The whole board", onlySelection: "What is selected", onlyView: "What the screen shows",
  exportAs: "As", png: "Picture of pixels (PNG)", svg: "Picture of lines (SVG)", json: "To bring in again (JSON)",
  withPaper: "With paper behind it", save: "Save", more: "More",
  objectsTitle: "On this board", objectOf: "{kind}, {colour}, by {name}", textOf: "{kind} “{text}”, by {name}",
  stroke: "Stroke", shape: "Shape", picture: "Picture", otherColourOf: "coloured",
  // The start page
  startTitle: "Boards", newBoard: "New board", openedBefore: "Opened in this browser", forget: "Forget {name}", noBoards: "No board was opened in this browser yet.",
  openNamed: "Open a board by its name", open: "Open", badName: "A board’s name has 1 to 64 letters, digits, _ or -.",
  openedOn: "Opened {date}",
};
