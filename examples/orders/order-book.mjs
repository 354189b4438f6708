/** What the caller did wrong, with the HTTP status that says so. */
export class OrderError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const mostItems = 100;

/** Orders in memory, oldest first; beyond `capacity` the oldest goes. */
export function createOrderBook({ currency, capacity, newId, now }) {
  const orders = new Map();

  return {
    list: () => [...orders.values()],
    find: (id) => orders.get(id) ?? notFound(id),
    cancel: (id) => void (orders.delete(id) || notFound(id)),
    place: (wish) => {
      const items = checkItems(wish?.items);
      const totalCents = items.reduce((sum, { quantity, unitPriceCents }) => sum + quantity * unitPriceCents, 0);
      const order = { id: newId(), items, totalCents, currency, placedAt: now().toISOString() };
      if (orders.size >= capacity) orders.delete(orders.keys().next().value);
      orders.set(order.id, order);
      return order;
    },
  };
}

function notFound(id) {
  throw new OrderError(404, `there is no order ${id}`);
}

function checkItems(items) {
  if (!Array.isArray(items) || items.length === 0 || items.length > mostItems) {
    throw new OrderError(400, `items must be a list of 1 to ${mostItems} items`);
  }
  return items.map((item, index) => {
    const { product, quantity, unitPriceCents } = item ?? {};
    if (typeof product !== "string" || product === "" || product.length > 200) {
      throw new OrderError(400, `items[${index}].product must be text of 1 to 200 characters`);
    }
    if (!isIntegerIn(quantity, 1, 1_000_000))
      throw new OrderError(400, `items[${index}].quantity must be a whole number from 1`);
    if (!isIntegerIn(unitPriceCents, 0, 1_000_000)) {
      throw new OrderError(400, `items[${index}].unitPriceCents must be a whole number from 0`);
    }
    return { product, quantity, unitPriceCents };
  });
}

function isIntegerIn(value, minimum, maximum) {
  return Number.isInteger(value) && value >= minimum && value <= maximum;
}
