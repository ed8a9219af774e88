/** Amounts as people read them. */
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const whole = new Intl.NumberFormat('en')

/** A cent and more to the cent; what is less keeps two digits that say something. */
export function usd(amount: number): string {
  if (amount === 0) return '$0'
  if (Math.abs(amount) >= 1_000) return `$${whole.format(Math.round(amount))}`
  if (Math.abs(amount) >= 0.01) return `$${amount.toFixed(2)}`
  if (Math.abs(amount) < 0.000001) return '< $0.000001'
  return `$${Number(amount.toPrecision(2)).toFixed(6).replace(/0+$/, '')}`
}

export const compact = (count: number): string => short.format(count)
export const exact = (count: number): string => whole.format(count)

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
export function bytes(count: number): string {
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10))
  const amount = count / 1024 ** power
  return `${power === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[power]}`
}
