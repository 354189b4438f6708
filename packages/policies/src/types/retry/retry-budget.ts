/**
 * How much may be repeated: each request earns a part of a repetition, each repetition costs one. So repetitions add at most
 * that part to the load, however many requests fail, plus a fixed number to begin with.
 */
export interface RetryBudget {
  earn(): void;
  /** Whether there was enough for one repetition, which is then spent. */
  spend(): boolean;
}

export function createRetryBudget({ percent, reserve }: { percent: number; reserve: number }): RetryBudget {
  const most = Math.max(1, reserve);
  let balance = reserve;
  return {
    earn() {
      balance = Math.min(most, balance + percent / 100);
    },
    spend() {
      // Sums of fractions fall short of a whole by rounding.
      if (balance < 1 - 1e-9) return false;
      balance -= 1;
      return true;
    },
  };
}
