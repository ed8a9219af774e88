/** Ranges of days, in UTC as the server counts them, and every day of them with what was used on it: pure. */
import type { UsageFigures, UsageReport } from '@corral/protocol'

const dayMs = 24 * 60 * 60_000
const mostDays = 366

/** `2026-01-31`. */
export const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)

export type Range = { from: string; to: string }

/** The last `days` days up to today. */
export const lastDays = (days: number, nowMs: number): Range => ({
  from: dayOf(nowMs - (days - 1) * dayMs),
  to: dayOf(nowMs),
})
export const thisMonth = (nowMs: number): Range => ({ from: `${dayOf(nowMs).slice(0, 7)}-01`, to: dayOf(nowMs) })

/** Null for what is no range, or a longer one than the server answers. */
export function rangeOf(from: string, to: string): Range | null {
  if (!isDay(from) || !isDay(to) || from > to) return null
  return Date.parse(to) - Date.parse(from) < mostDays * dayMs ? { from, to } : null
}

const isDay = (day: string) =>
  /^\d{4}-\d\d-\d\d$/.test(day) && !Number.isNaN(Date.parse(day)) && dayOf(Date.parse(day)) === day

export type Day = UsageFigures & { day: string }

const nothing: UsageFigures = {
  ...{ calls: 0, promptTokens: 0, cachedTokens: 0, completionTokens: 0, costUsd: 0 },
  ...{ unreportedCalls: 0, unpricedCalls: 0 },
}

/** Days without calls are in it, too. */
export function everyDay({ from, to, days }: Pick<UsageReport, 'from' | 'to' | 'days'>): Day[] {
  const known = new Map(days.map((day) => [day.day, day]))
  const count = Math.round((Date.parse(to) - Date.parse(from)) / dayMs) + 1
  return Array.from({ length: count }, (_, place) => {
    const day = dayOf(Date.parse(from) + place * dayMs)
    return known.get(day) ?? { ...nothing, day }
  })
}
