import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.codehaus.janino.SimpleCompiler;

/** Compiles sources against this JVM's class path; the first argument is the jar to write. */
public class Compile {
    public static void main(String[] arguments) throws Exception {
        ZipOutputStream jar = new ZipOutputStream(new FileOutputStream(arguments[0]));
        for (int i = 1; i < arguments.length; i++) {
            FileInputStream source = new FileInputStream(arguments[i]);
            SimpleCompiler compiler = new SimpleCompiler(arguments[i], source);
            for (Object entry : compiler.getBytecodes().entrySet()) {
                String name = (String) ((Map.Entry) entry).getKey();
                jar.putNextEntry(new ZipEntry(name.replace('.', '/') + ".class"));
                jar.write((byte[]) ((Map.Entry) entry).getValue());
            }
            source.close();
        }
        jar.close();
    }
}
