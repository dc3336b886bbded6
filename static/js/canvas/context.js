// The context of a canvas in two dimensions.

/** Returns it; every browser that runs the page has one. @param {HTMLCanvasElement} canvas @param {CanvasRenderingContext2DSettings} [settings] */
export const contextOf = (canvas, settings) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", settings));

/** The same of a canvas that is not on the page. @param {OffscreenCanvas} canvas */
export const contextAside = (canvas) => /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
