import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.backend.CollectionOptions;
import de.bwaldvogel.mongo.backend.CursorRegistry;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.QueryResult;
import de.bwaldvogel.mongo.backend.ValueComparator;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.backend.memory.MemoryCollection;
import de.bwaldvogel.mongo.backend.memory.MemoryDatabase;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.bson.ObjectId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * Memory that finds documents by _id as other servers do, also when a query asks for something besides, and in ranges of _id. mongo-java-server's own
 * takes an index only for queries that ask for one value and nothing else, and goes through the whole collection for all others.
 */
final class IndexedMemory extends MemoryBackend {
    @Override
    public MemoryDatabase openOrCreateDatabase(String name) {
        return new MemoryDatabase(name, getCursorRegistry()) {
            @Override
            protected MemoryCollection openOrCreateCollection(String collection, CollectionOptions options) {
                return new IndexedCollection(this, collection, options, cursorRegistry);
            }
        };
    }

    private static final class IndexedCollection extends MemoryCollection {
        /** Types of _id by the names that $type has for them; those that are not here are not found faster. */
        private static final Map<String, Class<?>> TYPES = Map.of("number", Number.class, "string", String.class, "objectId", ObjectId.class);
        private final NavigableMap<Object, Integer> positions = new TreeMap<>(ValueComparator.asc()); // by _id

        IndexedCollection(MongoDatabase database, String name, CollectionOptions options, CursorRegistry cursors) {
            super(database, name, options, cursors);
        }

        @Override
        protected Integer addDocumentInternal(Document document) {
            Integer position = super.addDocumentInternal(document);
            if (document.containsKey("_id")) {
                positions.put(document.get("_id"), position);
            }
            return position;
        }

        @Override
        protected void removeDocument(Integer position) {
            Document document = getDocument(position);
            if (document.containsKey("_id")) {
                positions.remove(document.get("_id"));
            }
            super.removeDocument(position);
        }

        @Override
        protected QueryResult queryDocuments(Document query, Document orderBy, int skip, int limit, int batchSize, Document fields) {
            if (query.containsKey("_id")) {
                Document byId = new Document("_id", query.get("_id"));
                for (Index<Integer> index : getIndexes()) {
                    if (index.canHandle(byId)) {
                        return matchDocuments(query, index.getPositions(byId), orderBy, skip, limit, batchSize, fields);
                    }
                }
                if (query.get("_id") instanceof Document condition && new Document("_id", 1).equals(orderBy)) {
                    return matchDocuments(new Document(), inOrder(query, range(condition), skip, limit), null, 0, 0, batchSize, fields);
                }
            }
            return super.queryDocuments(query, orderBy, skip, limit, batchSize, fields);
        }

        /** The documents that match, of those in the range. Their _ids are looked at first, and nothing behind the last that is asked for. */
        private List<Integer> inOrder(Document query, NavigableMap<Object, Integer> range, int skip, int limit) {
            Document byId = new Document("_id", query.get("_id"));
            List<Integer> found = new ArrayList<>();
            int toSkip = skip;
            for (Map.Entry<Object, Integer> entry : range.entrySet()) {
                if (limit != 0 && found.size() == Math.abs(limit)) {
                    break;
                }
                boolean matches = documentMatchesQuery(new Document("_id", entry.getKey()), byId)
                    && (query.size() == 1 || documentMatchesQuery(getDocument(entry.getValue()), query));
                if (matches && toSkip-- <= 0) {
                    found.add(entry.getValue());
                }
            }
            return found;
        }

        /** What is not in the range does not fulfil the condition; what is in it may. */
        private NavigableMap<Object, Integer> range(Document condition) {
            NavigableMap<Object, Integer> range = positions;
            for (String operator : List.of("$gt", "$gte")) {
                if (condition.containsKey(operator)) {
                    range = range.tailMap(condition.get(operator), operator.equals("$gte"));
                }
            }
            for (String operator : List.of("$lt", "$lte")) {
                if (condition.containsKey(operator)) {
                    range = range.headMap(condition.get(operator), operator.equals("$lte"));
                }
            }
            return condition.get("$type") instanceof String type && hasOnlyOthersThan(type, range) ? new TreeMap<>() : range;
        }

        /** Whether the first and the last value, and so all between them, are of one type, and that is another one. */
        private static boolean hasOnlyOthersThan(String type, NavigableMap<Object, Integer> range) {
            return !range.isEmpty() && TYPES.entrySet().stream().anyMatch(other -> !other.getKey().equals(type)
                && other.getValue().isInstance(range.firstKey()) && other.getValue().isInstance(range.lastKey()));
        }
    }
}
