/**
 * A page that was opened before an upgrade of the server asks for parts that are no longer there. It is loaded anew, once:
 * a part that is missing in the new one, too, is an error that people see.
 */
const key = 'corral.reloadedAt'
const oncePerMs = 60_000

export function reloadAfterUpgrade(): void {
  window.addEventListener('vite:preloadError', (event) => {
    if (Date.now() - Number(sessionStorage.getItem(key)) < oncePerMs) return
    event.preventDefault()
    sessionStorage.setItem(key, String(Date.now()))
    location.reload()
  })
}
