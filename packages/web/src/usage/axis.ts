/** A scale from 0 to a round number at or above the largest value, with its round ticks: pure. */
export type Axis = { top: number; ticks: number[] }

export function axisOf(largest: number): Axis {
  if (largest <= 0) return { top: 1, ticks: [0] }
  const rough = largest / 3
  const unit = 10 ** Math.floor(Math.log10(rough))
  const step =
    [1, 2, 5, 10].map((factor) => factor * unit).find((candidate) => candidate * 3.999 >= largest) ?? 10 * unit
  const count = Math.ceil(largest / step - 1e-9)
  return { top: count * step, ticks: Array.from({ length: count + 1 }, (_, place) => place * step) }
}
