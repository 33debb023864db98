// Whether memory grows: the slope of what was measured, by Theil and Sen, which a few outliers do not move.

/** The median of the slopes between all pairs of points `[x, y]`. */
export function slope(points) {
  const slopes = points.flatMap(([x, y], i) =>
    points.slice(i + 1).map(([otherX, otherY]) => (otherY - y) / (otherX - x)),
  );
  slopes.sort((a, b) => a - b);
  const middle = slopes.length >> 1;
  return slopes.length % 2 === 1 ? slopes[middle] : (slopes[middle - 1] + slopes[middle]) / 2;
}

/** The points of the second half of the range of x: what fills up in the beginning has filled. */
export function secondHalf(points) {
  const half = (points[0][0] + points.at(-1)[0]) / 2;
  return points.filter(([x]) => x >= half);
}
