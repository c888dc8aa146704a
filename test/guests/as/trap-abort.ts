/** Throws, two calls deep. */

class Shelf {
  books: i32 = 0;

  take(): i32 {
    if (this.books == 0) throw new Error('the shelf is empty');
    return --this.books;
  }
}

const shelf = new Shelf();
shelf.take();
