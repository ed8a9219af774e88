const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** `just now`, `5 min ago`, `3 h ago`, `2 d ago`, and from a week on the day. Both in Unix milliseconds. */
export function timeAgo(at: number, now: number): string {
  const age = Math.max(0, now - at)
  if (age < minuteMs) return 'just now'
  if (age < hourMs) return `${Math.floor(age / minuteMs)} min ago`
  if (age < dayMs) return `${Math.floor(age / hourMs)} h ago`
  if (age < 7 * dayMs) return `${Math.floor(age / dayMs)} d ago`
  const [day, today] = [new Date(at), new Date(now)]
  const year = day.getFullYear() === today.getFullYear() ? {} : { year: 'numeric' as const }
  return day.toLocaleDateString('en-US', { month: 'short', day: 'numeric', ...year })
}
