// Only saves pressing "reload": the page works without it.
const progress = document.getElementById("progress");
async function look() {
  try {
    const answer = await fetch(progress.dataset.progress, { credentials: "same-origin", cache: "no-store" });
    if (answer.ok && (await answer.json()).busy) {
      setTimeout(look, 1000);
      return;
    }
  } catch {
    // the service is gone, or starts anew: reloading says so
  }
  location.reload();
}
if (progress) setTimeout(look, 700);
