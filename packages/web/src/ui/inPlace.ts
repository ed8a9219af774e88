/** Items that keep their place, as lines of a text do, named by it for React. */
export const inPlace = <Item>(items: readonly Item[]): { place: string; item: Item }[] =>
  items.map((item, i) => ({ place: String(i), item }))
