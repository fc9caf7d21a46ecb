/* Cells: rows that share their columns become the buffers of Arrow columns, as they come.

   Takes     one dict at a time, under the interpreter's lock: from Python, or as `op.upsert` itself
   Gives     for each column its Arrow buffers, or a list of its values where Arrow has no type without doubt
   Promises  a row is taken whole or not at all; what is kept of it, its author cannot change

   The other implementation, in Python, is headwater/cells.py, which says what each answer means.

   Almost nothing here runs Python code, which could let another thread in: keys are exact str, values of exact
   types are read and never asked. Three things may start the garbage collector, and with it anything: a new
   list, a new tuple, an exception. After each of them nothing that was read before is used again.
*/

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <structmember.h>
#include <stdint.h>
#include <string.h>
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <time.h>
#endif

/* What `add` answers. */
enum { OTHER, TAKEN, LOOK, CHANGING };

/* What a column holds; the letters name it to cells.py. */
typedef enum {
    NOTHING = '-',  /* only NULL so far */
    INTEGERS = 'i', /* int of 64 bits */
    FLOATS = 'f',
    NUMBERS = 'n',  /* int and float, each exactly a double; `integers` says which are int */
    BOOLEANS = 'b',
    TEXTS = 't',    /* str that is valid Unicode */
    OBJECTS = 'o'   /* anything: references */
} Kind;

/* Every integer up to here is a double. */
#define EXACT_INTEGER (INT64_C(1) << 53)
#define MOST_TYPES 64

typedef struct {
    PyObject *bytes; /* a bytearray of `room` bytes, or NULL */
    char *start;
    Py_ssize_t room;
} Buffer;

typedef struct {
    Kind kind;
    Py_ssize_t nulls;
    Py_ssize_t ready;    /* rows for which there is room, besides their text */
    Buffer valid;        /* a bit a row, once there is a NULL */
    Buffer data;         /* 8 bytes or a bit a row, or UTF-8 */
    Buffer offsets;      /* TEXTS: 4 bytes a row, and 4 more */
    Buffer integers;     /* NUMBERS: a bit a row */
    Py_ssize_t text_end; /* TEXTS: bytes used in `data` */
    int64_t least, most; /* INTEGERS: the ends of their range */
    char rises;          /* INTEGERS: whether there is no NULL, and each is greater than the one before */
    PyObject *objects;   /* OBJECTS: a list */
} Column;

/* One value of the row that is being read; `object` and `text` are borrowed from it. */
typedef struct {
    Kind kind;
    PyObject *object;
    int64_t integer;
    double number;
    const char *text;
    Py_ssize_t length;
} Cell;

typedef struct {
    PyObject_HEAD
    Py_ssize_t width;
    PyObject **keys;     /* the key objects seen last, which are compared by address first */
    PyObject *positions; /* dict: key to its position */
    Column *columns;
    Cell *cells;
    PyObject *types[MOST_TYPES]; /* types whose values never change, besides those that Arrow reads */
    Py_ssize_t type_count;
    Py_ssize_t rows;
    Py_ssize_t nbytes;
    Py_ssize_t pause_rows;
    Py_ssize_t pause_bytes;
    char open;
} Cells;

/* --- buffers */

static int
reserve(Buffer *buffer, Py_ssize_t size)
{
    if (size <= buffer->room) {
        return 0;
    }
    Py_ssize_t room = buffer->room < 64 ? 64 : buffer->room;
    while (room < size) {
        if (room > PY_SSIZE_T_MAX / 2) {
            PyErr_NoMemory();
            return -1;
        }
        room *= 2;
    }
    if (buffer->bytes == NULL) {
        buffer->bytes = PyByteArray_FromStringAndSize(NULL, room);
        if (buffer->bytes == NULL) {
            return -1;
        }
    }
    else if (PyByteArray_Resize(buffer->bytes, room) < 0) {
        return -1;
    }
    buffer->start = PyByteArray_AsString(buffer->bytes);
    buffer->room = room;
    return 0;
}

static void
drop(Buffer *buffer)
{
    Py_CLEAR(buffer->bytes);
    buffer->start = NULL;
    buffer->room = 0;
}

/* Give the buffer away as a bytearray of `size` bytes, or None; NULL with an error. */
static PyObject *
give(Buffer *buffer, Py_ssize_t size)
{
    PyObject *bytes = buffer->bytes;
    if (bytes == NULL) {
        Py_RETURN_NONE;
    }
    buffer->bytes = NULL;
    drop(buffer);
    if (PyByteArray_Resize(bytes, size) < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    return bytes;
}

static Py_ssize_t
bits(Py_ssize_t count)
{
    return (count + 7) / 8;
}

/* Set the bit of a new row, the last one: the bits before it are set already, those behind it unknown. */
static void
put_bit(Buffer *buffer, Py_ssize_t row, int bit)
{
    char *byte = buffer->start + row / 8;
    if (row % 8 == 0) {
        *byte = 0;
    }
    if (bit) {
        *byte |= (char)(1 << (row % 8));
    }
}

/* Set the bits of the first rows; those behind them stay clear for `put_bit`. */
static void
set_bits(Buffer *buffer, Py_ssize_t rows)
{
    memset(buffer->start, 0xff, (size_t)(rows / 8));
    if (rows % 8) {
        buffer->start[rows / 8] = (char)((1 << (rows % 8)) - 1);
    }
}

/* --- columns */

static void
column_clear(Column *column)
{
    drop(&column->valid);
    drop(&column->data);
    drop(&column->offsets);
    drop(&column->integers);
    Py_CLEAR(column->objects);
    column->kind = NOTHING;
    column->nulls = 0;
    column->ready = 0;
    column->text_end = 0;
}

static int
is_null(const Column *column, Py_ssize_t row)
{
    return column->nulls && (column->kind == NOTHING || !(column->valid.start[row / 8] >> (row % 8) & 1));
}

/* Make the value of a row anew; no Python code runs. */
static PyObject *
value_of(const Column *column, Py_ssize_t row)
{
    if (is_null(column, row)) {
        Py_RETURN_NONE;
    }
    switch (column->kind) {
    case INTEGERS: {
        int64_t integer;
        memcpy(&integer, column->data.start + row * 8, 8);
        return PyLong_FromLongLong(integer);
    }
    case FLOATS:
    case NUMBERS: {
        double number;
        memcpy(&number, column->data.start + row * 8, 8);
        if (column->kind == NUMBERS && (column->integers.start[row / 8] >> (row % 8) & 1)) {
            return PyLong_FromLongLong((int64_t)number);
        }
        return PyFloat_FromDouble(number);
    }
    case BOOLEANS:
        return PyBool_FromLong(column->data.start[row / 8] >> (row % 8) & 1);
    case TEXTS: {
        int32_t ends[2];
        memcpy(ends, column->offsets.start + row * 4, 8);
        return PyUnicode_FromStringAndSize(column->data.start + ends[0], ends[1] - ends[0]);
    }
    default:
        Py_RETURN_NONE;
    }
}

/* Hold a column's values as objects from now on. Other code may run: the caller starts again. */
static int
to_objects(Cells *self, Py_ssize_t position)
{
    Py_ssize_t rows = self->rows;
    const Column *columns = self->columns;
    PyObject *list = PyList_New(rows);
    if (list == NULL) {
        return -1;
    }
    Column *column = &self->columns[position];
    if (self->rows != rows || self->columns != columns || column->kind == OBJECTS) {
        Py_DECREF(list); /* somebody was here meanwhile */
        return 0;
    }
    for (Py_ssize_t row = 0; row < rows; row++) {
        PyObject *value = value_of(column, row);
        if (value == NULL || PyList_SetItem(list, row, value) < 0) {
            Py_DECREF(list);
            return -1;
        }
    }
    column_clear(column);
    column->kind = OBJECTS;
    column->objects = list;
    return 0;
}

static int
is_exact(int64_t integer)
{
    return -EXACT_INTEGER <= integer && integer <= EXACT_INTEGER;
}

/* Let a column of int or of float hold both; 0 when an int among them is no double. */
static int
to_numbers(Column *column, Py_ssize_t rows)
{
    if (column->kind == INTEGERS) {
        for (Py_ssize_t row = 0; row < rows; row++) {
            int64_t integer;
            memcpy(&integer, column->data.start + row * 8, 8);
            if (!is_exact(integer)) {
                return 0;
            }
        }
    }
    if (reserve(&column->integers, bits(rows + 1)) < 0) {
        return -1;
    }
    memset(column->integers.start, 0, (size_t)bits(rows + 1));
    if (column->kind == INTEGERS) {
        set_bits(&column->integers, rows);
        for (Py_ssize_t row = 0; row < rows; row++) {
            int64_t integer;
            memcpy(&integer, column->data.start + row * 8, 8);
            double number = (double)integer;
            memcpy(column->data.start + row * 8, &number, 8);
        }
    }
    column->kind = NUMBERS;
    return 1;
}

/* Make room for one row more; -1 with an error. */
static int
make_room(Column *column, Py_ssize_t rows, int with_valid)
{
    Py_ssize_t ready = PY_SSIZE_T_MAX;
    if (with_valid) {
        if (reserve(&column->valid, bits(rows + 1)) < 0) {
            return -1;
        }
        ready = column->valid.room * 8;
    }
    if (column->kind == NUMBERS) {
        if (reserve(&column->integers, bits(rows + 1)) < 0) {
            return -1;
        }
        ready = Py_MIN(ready, column->integers.room * 8);
    }
    if (column->kind == TEXTS) {
        if (reserve(&column->offsets, (rows + 2) * 4) < 0) {
            return -1;
        }
        ready = Py_MIN(ready, column->offsets.room / 4 - 1);
    }
    else if (column->kind == BOOLEANS) {
        if (reserve(&column->data, bits(rows + 1)) < 0) {
            return -1;
        }
        ready = Py_MIN(ready, column->data.room * 8);
    }
    else {
        if (reserve(&column->data, (rows + 1) * 8) < 0) {
            return -1;
        }
        ready = Py_MIN(ready, column->data.room / 8);
    }
    column->ready = ready;
    return 0;
}

/* Let a column of NULL become one of this kind: zeros stand for the rows so far. */
static int
from_nothing(Column *column, Kind kind, Py_ssize_t rows)
{
    column->kind = kind;
    if (make_room(column, rows, column->nulls > 0) < 0) {
        column->kind = NOTHING;
        return -1;
    }
    column->least = INT64_MAX;
    column->most = INT64_MIN;
    column->rises = column->nulls == 0;
    if (kind == TEXTS) {
        memset(column->offsets.start, 0, (size_t)(rows + 1) * 4);
    }
    else {
        memset(column->data.start, 0, (size_t)(kind == BOOLEANS ? bits(rows + 1) : (rows + 1) * 8));
    }
    if (column->nulls) {
        memset(column->valid.start, 0, (size_t)bits(rows + 1));
    }
    return 1;
}

static int
is_number(Kind kind)
{
    return kind == INTEGERS || kind == FLOATS || kind == NUMBERS;
}

/* See `prepare`: what is not the usual case. */
static int
prepare_slowly(Column *column, const Cell *cell, Py_ssize_t rows)
{
    Kind kind = cell->kind;
    if (column->kind == OBJECTS || (column->kind == NOTHING && kind == NOTHING)) {
        return 1;
    }
    if (kind == OBJECTS) {
        return 0;
    }
    if (kind == TEXTS && cell->length > INT32_MAX - column->text_end) {
        return 0;
    }
    if (column->kind == NOTHING && from_nothing(column, kind, rows) < 0) {
        return -1;
    }
    if (kind != NOTHING && kind != column->kind) {
        if (!is_number(column->kind) || !is_number(kind) || (kind == INTEGERS && !is_exact(cell->integer))) {
            return 0;
        }
        if (column->kind != NUMBERS) {
            int done = to_numbers(column, rows);
            if (done != 1) {
                return done;
            }
        }
    }
    if (make_room(column, rows, column->nulls || kind == NOTHING) < 0) {
        return -1;
    }
    if (kind == NOTHING && column->nulls == 0) {
        set_bits(&column->valid, rows);
    }
    return kind == TEXTS && reserve(&column->data, column->text_end + cell->length) < 0 ? -1 : 1;
}

/* Let a column take a cell: 1 when it can, 0 when it must hold objects for that, -1 with an error. */
static inline int
prepare(Column *column, const Cell *cell, Py_ssize_t rows)
{
    if (rows < column->ready) {
        if (cell->kind == TEXTS) {
            if (column->kind == TEXTS && cell->length <= column->data.room - column->text_end &&
                cell->length <= INT32_MAX - column->text_end) {
                return 1;
            }
        }
        else if (cell->kind == column->kind || (cell->kind == NOTHING && column->nulls)) {
            return 1;
        }
    }
    return prepare_slowly(column, cell, rows);
}

/* Append a cell to a column that `prepare` made ready; nothing can fail. Objects are in their list already. */
static void
append(Column *column, const Cell *cell, Py_ssize_t row)
{
    int null = cell->kind == NOTHING;
    if (column->kind == OBJECTS) {
        return;
    }
    if (null) {
        column->nulls++;
    }
    if (column->nulls && column->kind != NOTHING) {
        put_bit(&column->valid, row, !null);
    }
    switch (column->kind) {
    case INTEGERS: {
        int64_t integer = null ? 0 : cell->integer;
        memcpy(column->data.start + row * 8, &integer, 8);
        if (null || (row > 0 && integer <= column->most)) {
            column->rises = 0;
        }
        if (!null) {
            column->least = Py_MIN(column->least, integer);
            column->most = Py_MAX(column->most, integer);
        }
        break;
    }
    case FLOATS:
    case NUMBERS: {
        int is_integer = cell->kind == INTEGERS;
        double number = null ? 0.0 : is_integer ? (double)cell->integer : cell->number;
        memcpy(column->data.start + row * 8, &number, 8);
        if (column->kind == NUMBERS) {
            put_bit(&column->integers, row, is_integer);
        }
        break;
    }
    case BOOLEANS:
        put_bit(&column->data, row, !null && cell->integer);
        break;
    case TEXTS: {
        if (!null) {
            memcpy(column->data.start + column->text_end, cell->text, (size_t)cell->length);
            column->text_end += cell->length;
        }
        int32_t end = (int32_t)column->text_end;
        memcpy(column->offsets.start + (row + 1) * 4, &end, 4);
        break;
    }
    default:
        break;
    }
}

/* --- rows */

/* About how many bytes an object takes, one that Arrow does not read. */
static Py_ssize_t
size_of(PyObject *value)
{
    if (PyBytes_Check(value)) {
        return PyBytes_Size(value) + 48;
    }
    if (PyUnicode_Check(value)) {
        return PyUnicode_GetLength(value) + 64;
    }
    return 64;
}

static int
is_unchanging(const Cells *self, PyObject *type)
{
    for (Py_ssize_t i = 0; i < self->type_count; i++) {
        if (self->types[i] == type) {
            return 1;
        }
    }
    return 0;
}

/* Read a value; 0 when its author may change it, -1 when other code may have run. */
static int
read_value(const Cells *self, Kind kind, PyObject *value, Cell *cell, int whatever)
{
    PyTypeObject *type = Py_TYPE(value);
    cell->object = value;
    if (value == Py_None) {
        cell->kind = NOTHING;
    }
    else if (type == &PyUnicode_Type) {
        cell->kind = TEXTS;
        if (kind == OBJECTS) {
            cell->length = PyUnicode_GetLength(value);
        }
        else {
            cell->text = PyUnicode_AsUTF8AndSize(value, &cell->length);
            if (cell->text == NULL) {
                return -1;
            }
        }
    }
    else if (type == &PyLong_Type) {
        int overflow;
        long long integer = PyLong_AsLongLongAndOverflow(value, &overflow);
        cell->kind = overflow ? OBJECTS : INTEGERS;
        cell->integer = integer;
    }
    else if (type == &PyFloat_Type) {
        cell->kind = FLOATS;
        cell->number = PyFloat_AsDouble(value);
    }
    else if (type == &PyBool_Type) {
        cell->kind = BOOLEANS;
        cell->integer = value == Py_True;
    }
    else {
        cell->kind = OBJECTS;
        return whatever || is_unchanging(self, (PyObject *)type);
    }
    return 1;
}

static Py_ssize_t
position_of(const Cells *self, PyObject *key)
{
    if (Py_TYPE(key) != &PyUnicode_Type) {
        return -1;
    }
    PyObject *position = PyDict_GetItemWithError(self->positions, key);
    return position == NULL ? -1 : PyLong_AsSsize_t(position);
}

static int
add(Cells *self, PyObject *row, int whatever)
{
    Py_ssize_t width = self->width;
    Py_ssize_t position;
again:
    if (!self->open || Py_TYPE(row) != &PyDict_Type || PyDict_Size(row) != width) {
        return OTHER;
    }
    Py_ssize_t next = 0;
    Py_ssize_t size = 0;
    PyObject *key, *value;
    for (Py_ssize_t i = 0; PyDict_Next(row, &next, &key, &value); i++) {
        position = i;
        if (key != self->keys[i]) {
            position = position_of(self, key);
            if (position < 0) {
                return OTHER;
            }
            if (position == i) { /* an equal text; the next rows of its page have the same one */
                PyObject *earlier = self->keys[i];
                Py_INCREF(key);
                self->keys[i] = key;
                Py_DECREF(earlier);
            }
        }
        Cell *cell = &self->cells[position];
        int known = read_value(self, self->columns[position].kind, value, cell, whatever);
        if (known < 0) {
            if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                return -1;
            }
            PyErr_Clear();
            if (to_objects(self, position) < 0) {
                return -1;
            }
            goto again;
        }
        if (!known) {
            return CHANGING;
        }
        size += cell->kind == TEXTS ? cell->length + 4 : cell->kind == OBJECTS ? size_of(value) : 8;
    }
    int objects_too = 0;
    for (position = 0; position < width; position++) {
        int ready = prepare(&self->columns[position], &self->cells[position], self->rows);
        if (ready < 0) {
            return -1;
        }
        if (!ready) {
            if (to_objects(self, position) < 0) {
                return -1;
            }
            goto again;
        }
        objects_too |= self->columns[position].kind == OBJECTS;
    }
    for (position = 0; objects_too && position < width; position++) {
        PyObject *objects = self->columns[position].objects;
        if (objects != NULL && PyList_Append(objects, self->cells[position].object) < 0) {
            while (position-- > 0) {
                objects = self->columns[position].objects;
                if (objects != NULL) {
                    PyList_SetSlice(objects, self->rows, self->rows + 1, NULL);
                }
            }
            return -1;
        }
    }
    for (position = 0; position < width; position++) {
        append(&self->columns[position], &self->cells[position], self->rows);
    }
    self->rows++;
    self->nbytes += size;
    return self->rows >= self->pause_rows || self->nbytes >= self->pause_bytes ? LOOK : TAKEN;
}

static PyObject *
answer(int found)
{
    return found < 0 ? NULL : PyLong_FromLong(found);
}

static PyObject *
cells_add(PyObject *self, PyObject *row)
{
    return answer(add((Cells *)self, row, 0));
}

static PyObject *
cells_add_whatever(PyObject *self, PyObject *row)
{
    return answer(add((Cells *)self, row, 1));
}

static PyObject *
cells_trust(PyObject *self, PyObject *type)
{
    Cells *cells = (Cells *)self;
    if (cells->type_count < MOST_TYPES && !is_unchanging(cells, type)) {
        Py_INCREF(type);
        cells->types[cells->type_count++] = type;
    }
    Py_RETURN_NONE;
}

static PyObject *
cells_pause(PyObject *self, PyObject *args)
{
    Cells *cells = (Cells *)self;
    Py_ssize_t more_rows, more_bytes;
    if (!PyArg_ParseTuple(args, "nn", &more_rows, &more_bytes)) {
        return NULL;
    }
    cells->pause_rows = cells->rows + more_rows;
    cells->pause_bytes = cells->nbytes + more_bytes;
    Py_RETURN_NONE;
}

/* Give (kind, nulls, valid, data, offsets, integers, objects, range) of a column, and clear it.

   The range of a column of int is (least, most, whether they rise). */
static PyObject *
give_column(Column *column, Py_ssize_t rows)
{
    Py_ssize_t data_size = rows * 8;
    if (column->kind == TEXTS) {
        data_size = column->text_end;
    }
    else if (column->kind == BOOLEANS) {
        data_size = bits(rows);
    }
    if (column->kind == TEXTS && reserve(&column->data, 1) < 0) {
        return NULL;
    }
    PyObject *valid = NULL, *data = NULL, *offsets = NULL, *integers = NULL, *range = NULL, *given = NULL;
    valid = column->nulls ? give(&column->valid, bits(rows)) : Py_NewRef(Py_None);
    data = give(&column->data, data_size);
    offsets = give(&column->offsets, (rows + 1) * 4);
    integers = give(&column->integers, bits(rows));
    range = column->kind == INTEGERS && column->nulls < rows
                ? Py_BuildValue("(LLO)", (long long)column->least, (long long)column->most,
                                column->rises ? Py_True : Py_False)
                : Py_NewRef(Py_None);
    if (valid && data && offsets && integers && range) {
        given = Py_BuildValue("(CnOOOOOO)", column->kind, column->nulls, valid, data, offsets, integers,
                              column->objects ? column->objects : Py_None, range);
    }
    Py_XDECREF(range);
    Py_XDECREF(valid);
    Py_XDECREF(data);
    Py_XDECREF(offsets);
    Py_XDECREF(integers);
    column_clear(column);
    return given;
}

static Column *
new_columns(Py_ssize_t width)
{
    Column *columns = PyMem_Calloc((size_t)width, sizeof(Column));
    if (columns == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < width; i++) {
        columns[i].kind = NOTHING;
    }
    return columns;
}

static PyObject *
cells_take(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Cells *self = (Cells *)object;
    Column *fresh = new_columns(self->width);
    if (fresh == NULL) {
        return NULL;
    }
    Column *columns = self->columns;
    Py_ssize_t rows = self->rows;
    self->columns = fresh;
    self->rows = self->nbytes = self->pause_rows = self->pause_bytes = 0;

    PyObject *taken = PyList_New(self->width);
    for (Py_ssize_t i = 0; taken != NULL && i < self->width; i++) {
        PyObject *column = give_column(&columns[i], rows);
        if (column == NULL || PyList_SetItem(taken, i, column) < 0) {
            Py_CLEAR(taken);
        }
    }
    for (Py_ssize_t i = 0; i < self->width; i++) {
        column_clear(&columns[i]);
    }
    PyMem_Free(columns);
    if (taken == NULL) {
        return NULL;
    }
    return Py_BuildValue("(nN)", rows, taken);
}

/* --- the type */

static PyObject *
cells_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *keys;
    if (!PyArg_ParseTuple(args, "O!", &PyTuple_Type, &keys)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Cells *self = (Cells *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    Py_ssize_t width = PyTuple_Size(keys);
    self->positions = PyDict_New();
    self->columns = new_columns(width);
    self->cells = PyMem_Calloc((size_t)width, sizeof(Cell));
    self->keys = PyMem_Calloc((size_t)width, sizeof(PyObject *));
    self->open = 1;
    if (self->positions == NULL || self->columns == NULL || self->cells == NULL || self->keys == NULL) {
        Py_DECREF(self);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < width; i++) {
        PyObject *key = PyTuple_GetItem(keys, i);
        if (Py_TYPE(key) != &PyUnicode_Type) {
            PyErr_SetString(PyExc_TypeError, "keys are exact str");
            Py_DECREF(self);
            return NULL;
        }
        PyObject *position = PyLong_FromSsize_t(i);
        if (position == NULL || PyDict_SetItem(self->positions, key, position) < 0) {
            Py_XDECREF(position);
            Py_DECREF(self);
            return NULL;
        }
        Py_DECREF(position);
        self->keys[i] = Py_NewRef(key);
        self->width = i + 1;
    }
    return (PyObject *)self;
}

static int
cells_traverse(PyObject *object, visitproc visit, void *arg)
{
    Cells *self = (Cells *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->positions);
    for (Py_ssize_t i = 0; i < self->type_count; i++) {
        Py_VISIT(self->types[i]);
    }
    for (Py_ssize_t i = 0; i < self->width; i++) {
        Py_VISIT(self->columns[i].objects);
    }
    return 0;
}

static int
cells_clear(PyObject *object)
{
    Cells *self = (Cells *)object;
    self->open = 0;
    self->rows = 0;
    while (self->type_count > 0) {
        PyObject *type = self->types[--self->type_count];
        Py_DECREF(type);
    }
    for (Py_ssize_t i = 0; i < self->width; i++) {
        column_clear(&self->columns[i]);
    }
    Py_CLEAR(self->positions);
    return 0;
}

static void
cells_dealloc(PyObject *object)
{
    Cells *self = (Cells *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    cells_clear(object);
    for (Py_ssize_t i = 0; i < self->width; i++) {
        Py_XDECREF(self->keys[i]);
    }
    PyMem_Free(self->keys);
    PyMem_Free(self->cells);
    PyMem_Free(self->columns);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef cells_methods[] = {
    {"add", cells_add, METH_O, NULL},
    {"add_whatever", cells_add_whatever, METH_O, NULL},
    {"trust", cells_trust, METH_O, NULL},
    {"pause", cells_pause, METH_VARARGS, NULL},
    {"take", cells_take, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef cells_members[] = {
    {"rows", T_PYSSIZET, offsetof(Cells, rows), READONLY, NULL},
    {"nbytes", T_PYSSIZET, offsetof(Cells, nbytes), READONLY, NULL},
    {"open", T_BOOL, offsetof(Cells, open), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot cells_slots[] = {
    {Py_tp_doc, "The values of rows that share their columns, as Arrow buffers; see headwater/cells.py."},
    {Py_tp_new, cells_new},
    {Py_tp_dealloc, cells_dealloc},
    {Py_tp_traverse, cells_traverse},
    {Py_tp_clear, cells_clear},
    {Py_tp_methods, cells_methods},
    {Py_tp_members, cells_members},
    {0, NULL},
};

static PyType_Spec cells_spec = {
    .name = "headwater._cells.Cells",
    .basicsize = sizeof(Cells),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = cells_slots,
};

/* --- op.upsert */

typedef struct {
    PyObject_HEAD
    PyObject *cells;     /* dict: table to its Cells */
    PyTypeObject *type;  /* Cells */
    PyObject *look;      /* called with the table when it is time to look at the size */
    PyObject *otherwise; /* called with the same arguments for whatever is not taken here */
    volatile Py_ssize_t taken; /* rows; it is read without the interpreter's lock */
    volatile Py_ssize_t turn;  /* a change ends `watch` */
} Upserts;

static PyObject *
call_otherwise(Upserts *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *called = NULL;
    PyObject *named = NULL;
    PyObject *positional = PyTuple_New(count);
    if (positional == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyTuple_SetItem(positional, i, Py_NewRef(args[i]));
    }
    if (names != NULL) {
        named = PyDict_New();
        if (named == NULL) {
            goto end;
        }
        for (Py_ssize_t i = 0; i < PyTuple_Size(names); i++) {
            if (PyDict_SetItem(named, PyTuple_GetItem(names, i), args[count + i]) < 0) {
                goto end;
            }
        }
    }
    called = PyObject_Call(self->otherwise, positional, named);
end:
    Py_DECREF(positional);
    Py_XDECREF(named);
    return called;
}

/* Find `table` and `data`; 0 when there are fewer arguments, or others. */
static int
find_arguments(PyObject *const *args, Py_ssize_t count, PyObject *names, PyObject **table, PyObject **data)
{
    *table = count > 0 ? args[0] : NULL;
    *data = count > 1 ? args[1] : NULL;
    Py_ssize_t named = names == NULL ? 0 : PyTuple_Size(names);
    if (count + named != 2) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        PyObject **found = NULL;
        if (PyUnicode_CompareWithASCIIString(name, "table") == 0) {
            found = table;
        }
        else if (PyUnicode_CompareWithASCIIString(name, "data") == 0) {
            found = data;
        }
        if (found == NULL || *found != NULL) {
            return 0;
        }
        *found = args[count + i];
    }
    return 1;
}

static PyObject *
upserts_upsert(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Upserts *self = (Upserts *)object;
    PyObject *table, *data;
    if (find_arguments(args, count, names, &table, &data) && Py_TYPE(table) == &PyUnicode_Type) {
        PyObject *cells = PyDict_GetItemWithError(self->cells, table);
        if (cells != NULL) {
            Py_INCREF(cells); /* other code may run in `add` */
            int found = add((Cells *)cells, data, 0);
            Py_DECREF(cells);
            switch (found) {
            case TAKEN:
                self->taken++;
                Py_RETURN_NONE;
            case LOOK:
                self->taken++;
                return PyObject_CallFunctionObjArgs(self->look, table, NULL);
            case OTHER:
            case CHANGING:
                break;
            default:
                return NULL;
            }
        }
    }
    return call_otherwise(self, args, count, names);
}

static PyObject *
upserts_serve(PyObject *object, PyObject *args)
{
    Upserts *self = (Upserts *)object;
    PyObject *table, *cells;
    if (!PyArg_ParseTuple(args, "UO!", &table, self->type, &cells)) {
        return NULL;
    }
    if (PyDict_SetItem(self->cells, table, cells) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static void
sleep_for(double seconds)
{
#ifdef _WIN32
    Sleep((DWORD)(seconds * 1e3) + 1);
#else
    struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&pause, NULL);
#endif
}

static PyObject *
upserts_watch(PyObject *object, PyObject *args)
{
    Upserts *self = (Upserts *)object;
    Py_ssize_t turn, before;
    double seconds;
    if (!PyArg_ParseTuple(args, "nd", &turn, &seconds)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    do {
        before = self->taken;
        sleep_for(seconds);
    } while (self->taken != before && self->turn == turn);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(self->turn == turn);
}

static PyObject *
upserts_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    PyObject *cells, *look, *otherwise;
    if (!PyArg_ParseTuple(args, "O!OO", &PyType_Type, &cells, &look, &otherwise)) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Upserts *self = (Upserts *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->type = (PyTypeObject *)Py_NewRef(cells);
    self->look = Py_NewRef(look);
    self->otherwise = Py_NewRef(otherwise);
    self->cells = PyDict_New();
    if (self->cells == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
upserts_traverse(PyObject *object, visitproc visit, void *arg)
{
    Upserts *self = (Upserts *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->cells);
    Py_VISIT(self->type);
    Py_VISIT(self->look);
    Py_VISIT(self->otherwise);
    return 0;
}

static int
upserts_clear(PyObject *object)
{
    Upserts *self = (Upserts *)object;
    Py_CLEAR(self->cells);
    Py_CLEAR(self->type);
    Py_CLEAR(self->look);
    Py_CLEAR(self->otherwise);
    return 0;
}

static void
upserts_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    upserts_clear(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef upserts_methods[] = {
    {"upsert", (PyCFunction)(void (*)(void))upserts_upsert, METH_FASTCALL | METH_KEYWORDS,
     "upsert($self, /, table, data, *, schema=None, file=None)\n--\n\nSee `Operations.upsert`."},
    {"serve", upserts_serve, METH_VARARGS, NULL},
    {"watch", upserts_watch, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef upserts_members[] = {
    {"taken", T_PYSSIZET, offsetof(Upserts, taken), READONLY, NULL},
    {"turn", T_PYSSIZET, offsetof(Upserts, turn), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot upserts_slots[] = {
    {Py_tp_doc, "`op.upsert` for tables whose cells it serves; see headwater/cells.py."},
    {Py_tp_new, upserts_new},
    {Py_tp_dealloc, upserts_dealloc},
    {Py_tp_traverse, upserts_traverse},
    {Py_tp_clear, upserts_clear},
    {Py_tp_methods, upserts_methods},
    {Py_tp_members, upserts_members},
    {0, NULL},
};

static PyType_Spec upserts_spec = {
    .name = "headwater._cells.Upserts",
    .basicsize = sizeof(Upserts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = upserts_slots,
};

static int
add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return failed;
}

static int
module_exec(PyObject *module)
{
    return add_type(module, &cells_spec) < 0 || add_type(module, &upserts_spec) < 0 ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "headwater._cells",
    .m_size = 0,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__cells(void)
{
    return PyModuleDef_Init(&module);
}
