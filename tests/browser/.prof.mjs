// self-time profile of a scenario
export async function profile(page, act) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Profiler.enable");
  await cdp.send("Profiler.setSamplingInterval", { interval: 200 });
  await cdp.send("Profiler.start");
  await act();
  const { profile } = await cdp.send("Profiler.stop");
  const self = new Map(); const dt = profile.timeDeltas; const byId = new Map(profile.nodes.map(n => [n.id, n]));
  profile.samples.forEach((id, at) => { const { functionName, url, lineNumber } = byId.get(id).callFrame; const name = `${functionName || "(anon)"} ${url.split("/").pop()}:${lineNumber + 1}`; self.set(name, (self.get(name) ?? 0) + dt[at] / 1000); });
  const all = [...self.values()].reduce((a, b) => a + b, 0);
  console.log("total ms", all.toFixed(0));
  for (const [name, ms] of [...self].sort((a, b) => b[1] - a[1]).slice(0, 22)) console.log(ms.toFixed(0).padStart(7), name);
}
